// Programs that are not ours read a run's stream while it is written: curl, npm's eventsource and Python's httpx-sse. Each does so once
// undisturbed and once over a wire that breaks at random bytes, and both times has exactly the bytes of the run. Needs no browser.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { EventSource, type FetchLike } from "eventsource";
import { createParser } from "eventsource-parser";
import { expect, test as base } from "../fixtures";
import type { Server } from "../support/server";
import { random } from "../support/random";
import { Wire } from "../support/wire";

/** What a client has read of a run. */
interface Copy {
  ids: string[];
  output: Buffer;
}
type Client = (url: string, token: string) => Promise<Copy>;

/** The run's own events, as the API's description has them. */
const KEPT = ["run", "output", "end"];

class Notes implements Copy {
  readonly ids: string[] = [];
  readonly #parts: Buffer[] = [];

  take(name: string, id: string | undefined, data: string): void {
    if (!KEPT.includes(name)) return;
    this.ids.push(id ?? "");
    if (name !== "output") return;
    const { text, base64 } = JSON.parse(data) as { text: string; base64?: string };
    this.#parts.push(base64 ? Buffer.from(base64, "base64") : Buffer.from(text));
  }

  get output(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Runs a program to its end; what it wrote. */
async function run(program: string, argument: string[], env: NodeJS.ProcessEnv = process.env): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  const child = spawn(program, argument, { env, stdio: ["ignore", "pipe", "pipe"] });
  const parts: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (part: Buffer) => parts.push(part));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(parts), stderr };
}

/** One curl for each connection; where the server answers 204, all has been read. */
const curl: Client = async (url, token) => {
  const notes = new Notes();
  for (;;) {
    const last = notes.ids.at(-1);
    const resume = last === undefined ? [] : ["-H", `Last-Event-ID: ${last}`];
    const format = "%{stderr}%{http_code}";
    const { code, stdout, stderr } = await run("curl", ["-sN", "-H", `Authorization: Bearer ${token}`, ...resume, "-w", format, url]);
    if (stderr === "204") return notes;
    // 18: ended early, 52: no answer at all, 56: reset.
    expect([0, 18, 52, 56], `${stderr}: curl's exit code`).toContain(code);
    const parser = createParser({ onEvent: ({ event, id, data }) => notes.take(event ?? "message", id, data) });
    // What is left of an event at the end is not one; the parser keeps it to itself.
    parser.feed(new TextDecoder().decode(stdout));
  }
};

/** Reconnects by itself, after the time that the server names, and stops by itself at 204. */
const eventsource: Client = (url, token) =>
  new Promise((resolve, reject) => {
    const notes = new Notes();
    const authorized: FetchLike = (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
    const source = new EventSource(url, { fetch: authorized });
    for (const name of KEPT) source.addEventListener(name, ({ lastEventId, data }) => notes.take(name, lastEventId, data));
    source.addEventListener("error", ({ code, message }) => {
      if (source.readyState !== source.CLOSED) return;
      if (code === 204) resolve(notes);
      else reject(new Error(`eventsource gave up: ${code} ${message}`));
    });
  });

const httpxSse: Client = async (url, token) => {
  const python = process.env.KONTASKS_PYTHON;
  if (!python) throw new Error("KONTASKS_PYTHON is not set; scripts/env.sh does it");
  const script = path.resolve(__dirname, "../support/httpx_sse_client.py");
  const { code, stdout, stderr } = await run(python, [script, url], { ...process.env, KONTASKS_TOKEN: token });
  expect(code, stderr).toBe(0);
  const { ids, output } = JSON.parse(stdout.toString()) as { ids: string[]; output: string };
  return { ids, output: Buffer.from(output, "base64") };
};

/** Characters that readers of lines fall over, in output that is neither lines nor UTF-8 throughout. */
const PROMPT = String.raw`for i in $(seq 1 120); do printf '%d zażółć \360\237\246\200 \302\205 \342\200\250 id: 7\r\ndata: x\n\n' $i; sleep 0.02; done; printf '\377\376 end'`;

const test = base.extend<{ seed: number }>({
  seed: async ({}, use, info) => {
    const seed = Date.now() % 2 ** 32;
    info.annotations.push({ type: "seed", description: String(seed) });
    await use(seed);
  },
});

async function readsAll(server: Server, client: Client, seed: number, cuts: number) {
  const { run } = await server.api.submit(PROMPT);
  const number = random(seed);
  const wire = await new Wire(server.url, (connection) => (connection > cuts ? Infinity : 100 + Math.floor(number() ** 2 * 6_000))).start();
  const events = `/api/v1/runs/${run.id}/events`;
  const [whole, pieced] = await Promise.all([client(server.url + events, server.token), client(wire.url + events, server.token)]);
  await wire.stop();
  expect(wire.cuts, `seed ${seed}: how often the wire broke`).toBeGreaterThanOrEqual(Math.min(cuts, 5));

  const reply = await fetch(`${server.url}/api/v1/runs/${run.id}/output`, { headers: { authorization: `Bearer ${server.token}` } });
  const output = Buffer.from(await reply.arrayBuffer());
  expect(output.includes("120 zażółć 🦀")).toBe(true);
  expect(output.subarray(-6)).toEqual(Buffer.from("\xff\xfe end", "latin1"));
  expect(whole.output.equals(output), "read in one go").toBe(true);
  expect(pieced.output.equals(output), `seed ${seed}: read in pieces`).toBe(true);
  expect(pieced.ids, `seed ${seed}`).toEqual(whole.ids);
  expect(new Set(whole.ids).size).toBe(whole.ids.length);
}

test("curl has every byte once, however often it is cut off", async ({ server, seed }) => {
  await readsAll(server, curl, seed, 30);
});

test("eventsource has every byte once, and stops by itself at the end", async ({ server, seed }) => {
  await readsAll(server, eventsource, seed, 6);
});

test("httpx-sse has every byte once, however often it is cut off", async ({ server, seed }) => {
  await readsAll(server, httpxSse, seed, 30);
});
