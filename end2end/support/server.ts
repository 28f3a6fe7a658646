// One server process with a home and a data folder of its own, which both go away with it. It can be killed and started again on
// the same port and data, as a person would; it knows nothing of pages.
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Api } from "./api";

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export class Server {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "kontasks-e2e-")));
  readonly home = path.join(this.folder, "home");
  readonly data = path.join(this.folder, "data");
  /** The bearer token with full rights. */
  readonly token = randomUUID();
  readonly api = new Api(this);
  /** `http://127.0.0.1:PORT`; the same after a restart. */
  url = "";
  /** The one-time link that the last start printed. */
  signInLink = "";
  /** What the server wrote to stderr. */
  log = "";
  /** When the last start said that it listens. */
  listensSince = 0;
  #process?: ChildProcess;

  /** Makes the folders; `config` becomes kontasks.toml. */
  constructor(config = "") {
    fs.mkdirSync(this.home);
    fs.mkdirSync(this.data);
    // As many runs at once as a test wants, whatever the machine has.
    const text = config.includes("max_running") ? config : `max_running = 100\n${config}`;
    fs.writeFileSync(path.join(this.data, "kontasks.toml"), text);
  }

  get environment(): NodeJS.ProcessEnv {
    const outer = process.env;
    return {
      PATH: outer.PATH,
      HOME: this.home,
      SHELL: "/bin/bash",
      LANG: "C.UTF-8",
      KONTASKS_TOKEN: this.token,
      // cargo, as a tool that is run, finds its toolchain beside the true home.
      CARGO_HOME: outer.CARGO_HOME ?? path.join(os.homedir(), ".cargo"),
      RUSTUP_HOME: outer.RUSTUP_HOME ?? path.join(os.homedir(), ".rustup"),
      ...(outer.RUSTUP_TOOLCHAIN && { RUSTUP_TOOLCHAIN: outer.RUSTUP_TOOLCHAIN }),
    };
  }

  /** Starts the server and waits until it has said where it listens and how to sign in. */
  async start(): Promise<void> {
    const address = this.url ? new URL(this.url).host : "127.0.0.1:0";
    const child = spawn(binary(), ["serve", "--addr", address, "--data", this.data], {
      env: this.environment,
      cwd: this.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    child.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    const lines = createInterface(child.stdout);
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        const [, listens] = /^Kontasks listens on (http:\/\/\S+)$/.exec(line) ?? [];
        const [, link] = /^Sign in: (http:\/\/\S+)$/.exec(line) ?? [];
        if (listens) {
          this.url = listens;
          this.listensSince = Date.now();
        }
        if (link) {
          this.signInLink = link;
          resolve();
        }
      });
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the server ended at start (${signal ?? code}):\n${this.log}`)));
    });
  }

  /** Ends the server and waits until it is gone; what it runs goes on. */
  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** A second start with other arguments, to its end: what it printed and its exit code. */
  command(...args: string[]): Promise<Ended> {
    return this.commandWith("", ...args);
  }

  /** The same with something on its standard input. */
  async commandWith(input: string, ...args: string[]): Promise<Ended> {
    const child = spawn(binary(), args, { env: this.environment, cwd: this.folder, stdio: ["pipe", "pipe", "pipe"], timeout: 10_000 });
    // It may end before it has read it.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout, stderr };
  }

  /** Ends everything and removes the folders. Returns the processes that should have gone by themselves. */
  async dispose(): Promise<string[]> {
    await this.stop();
    // What has just ended may take a moment to be gone.
    const until = Date.now() + 5_000;
    let left = this.#processes();
    while (left.length > 0 && Date.now() < until) {
      await delay(20);
      left = this.#processes();
    }
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has gone in the meantime.
      }
    }
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    return left.map(({ pid, line }) => `${pid} ${line}`);
  }

  /** All processes that this server started, directly or not: they have inherited its home, which no other process has. */
  #processes(): { pid: number; line: string }[] {
    const mark = `HOME=${this.home}\0`;
    const found = [];
    for (const name of fs.existsSync("/proc") ? fs.readdirSync("/proc") : []) {
      if (!/^\d+$/.test(name)) continue;
      try {
        if (!fs.readFileSync(`/proc/${name}/environ`, "latin1").includes(mark)) continue;
        found.push({ pid: Number(name), line: fs.readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ") });
      } catch {
        // It ended while we looked, or belongs to somebody else.
      }
    }
    return found;
  }
}

function binary(): string {
  const file = process.env.KONTASKS_BIN;
  if (!file) throw new Error("KONTASKS_BIN is not set; playwright.config.ts does it");
  return file;
}
