// What is refused is refused in words, and harms nothing: in each test a run goes on beside it and is complete at the end.
import { expect as baseExpect } from "@playwright/test";
import { expect, test as base } from "../fixtures";
import { theConsole } from "../support/pages";
import type { Reply } from "../support/api";

const test = base.extend<{ bystander: void }>({
  bystander: [
    async ({ server }, use) => {
      const { run } = await server.api.submit("for i in $(seq 1 50); do echo line $i; sleep 0.02; done");
      await use();
      const ended = await server.api.ended(run.id);
      baseExpect(ended).toMatchObject({ status: "succeeded", exitCode: 0, lines: 50 });
      baseExpect(await server.api.output(run.id)).toBe(Array.from({ length: 50 }, (_, i) => `line ${i + 1}\n`).join(""));
      baseExpect((await server.api.call("GET", "/healthz", { token: null })).status).toBe(200);
      baseExpect(server.log).not.toMatch(/panicked/);
    },
    { auto: true },
  ],
});

/** An RFC 9457 problem: its type, its status and words that fit. */
function expectProblem(reply: Reply, status: number | number[], words: RegExp) {
  expect([status].flat(), reply.text).toContain(reply.status);
  expect(reply.headers["content-type"]).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(reply.text) as { status: number; title: string; detail?: string };
  expect(problem.status).toBe(reply.status);
  expect(`${problem.title} ${problem.detail ?? ""}`).toMatch(words);
}

test("nobody without a sign-in: no token, a wrong one, a wrong cookie", async ({ server }) => {
  for (const path of ["/api/v1/tasks", "/api/v1/events", "/api/v1/runs/019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c/events"]) {
    for (const call of [{ token: null }, { token: "wrong" }, { token: null, headers: { cookie: "kontasks=1; kontasks_a=b" } }]) {
      expectProblem(await server.api.call("GET", path, call), 401, /sign|token/i);
    }
  }
  expectProblem(await server.api.call("POST", "/api/v1/runs", { body: { prompt: "touch harm" }, token: "wrong" }), 401, /sign|token/i);
  const page = await server.api.call("GET", "/", { token: null });
  expect(page.status).toBe(401);
  expect(page.text).toContain("kontasks sign-in-link");
});

test("a foreign Origin and a foreign Host", async ({ server, signedIn: page }) => {
  const cookie = (await page.context().cookies(server.url)).map(({ name, value }) => `${name}=${value}`).join("; ");
  const body = { prompt: "touch harm" };
  for (const [name, value] of [["origin", "https://evil.example"], ["origin", "null"], ["sec-fetch-site", "cross-site"]] as const) {
    expectProblem(await server.api.call("POST", "/api/v1/runs", { body, token: null, headers: { cookie, [name]: value } }), 403, /origin|site/i);
  }
  const host = { host: "evil.example" };
  for (const path of ["/api/v1/tasks", "/api/v1/events"]) {
    expectProblem(await server.api.call("GET", path, { headers: host }), [403, 421], /host/i);
  }
  expect((await server.api.call("GET", "/", { headers: { ...host, cookie } })).status).toBeGreaterThanOrEqual(403);
  expect(await server.api.tasks(), "only the bystander's").toHaveLength(1);
});

test("a garbage cursor gives a reset under 200, never an error", async ({ server }) => {
  const { run } = await server.api.submit("echo a");
  await server.api.ended(run.id);
  const hello = await server.api.streamUntil("/api/v1/events", "hello");
  const { epoch } = JSON.parse(hello.events[0]?.data ?? "{}") as { epoch: string };
  const cursors = ["x", "-", "--1", "%00", "%ff%fe", "💣", `${epoch}-99999999999`, `${epoch}-18446744073709551616`, `${epoch}--1`, "otherlog-3", "a".repeat(4000)];
  for (const cursor of cursors) {
    const after = cursor.startsWith("%") ? cursor : encodeURIComponent(cursor);
    for (const path of [`/api/v1/events?after=${after}`, `/api/v1/runs/${run.id}/events?after=${after}`]) {
      const { status, events } = await server.api.streamUntil(path, "reset");
      expect(status, `${path.slice(0, 100)}`).toBe(200);
      expect(events.map(({ name }) => name), path.slice(0, 100)).toContain("reset");
    }
  }
  const { events } = await server.api.streamUntil("/api/v1/events", "reset", { "last-event-id": "garbage" });
  expect(events.map(({ name }) => name)).toContain("reset");
});

test("an unknown runner, an empty prompt, a prompt of 1 MB, broken JSON, an unknown run", async ({ server }) => {
  const submit = (body: unknown) => server.api.call("POST", "/api/v1/runs", { body });
  expectProblem(await submit({ prompt: "true", runner: "nobody" }), [400, 422], /nobody/);
  expectProblem(await submit({ prompt: "" }), [400, 422], /prompt/i);
  expectProblem(await submit({ prompt: " \n\t " }), [400, 422], /prompt/i);
  expectProblem(await submit({ prompt: "a".repeat(1_000_000) }), [413, 422], /prompt|large|long|most/i);
  expectProblem(await submit({ prompt: "a".repeat(3_000_000) }), [413], /large|most|limit/i);
  expectProblem(await submit("{"), [400, 422], /json/i);
  expectProblem(await submit({}), [400, 422], /prompt/i);
  for (const id of ["019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "nonsense", "..%2f..%2fetc%2fpasswd"]) {
    for (const end of ["", "/output", "/events"]) expectProblem(await server.api.call("GET", `/api/v1/runs/${id}${end}`), [400, 404], /./);
  }
  expectProblem(await server.api.call("GET", "/api/v1/nonsense"), 404, /./);
  expect((await server.api.call("POST", "/api/v1/events")).status).toBe(405);
  expect(await server.api.tasks(), "only the bystander's").toHaveLength(1);
});

test("the prompt form says what is wrong", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(/status of (400|413|422|500)/);
  for (const prompt of ["   ", "x".repeat(1_000_000)]) {
    await page.goto("/");
    // Nothing is wrong yet, so nothing is said and no room is taken.
    await expect(page.locator("#prompt-error")).toBeHidden();
    await page.getByLabel("Prompt").fill(prompt);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect(page.getByRole("alert")).toContainText(/prompt|large|long/i);
  }
  expect(await server.api.tasks(), "only the bystander's").toHaveLength(1);
});

test("a page that is not there says so and shows the way back", async ({ signedIn: page, expectedErrors }) => {
  expectedErrors.push(/status of 404/);
  for (const path of ["/tasks/019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "/runs/019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "/tasks/nonsense", "/nonsense"]) {
    const answer = await page.goto(path);
    expect(answer?.status(), path).toBe(404);
    await expect(page.getByRole("heading", { level: 1 })).toContainText(/not found|no such|nothing|unknown|does not exist/i);
    await expect(theConsole(page)).toHaveCount(0);
    await expect(page.getByRole("link").first()).toBeVisible();
  }
});

test("the same request id makes one run, and another prompt under it is a conflict", async ({ server }) => {
  const submit = (prompt: string) => server.api.call("POST", "/api/v1/runs", { body: { prompt, requestId: "r-1" } });
  const [first, second] = await Promise.all([submit("echo once"), submit("echo once")]);
  expect([first.status, second.status].sort()).toEqual([200, 201]);
  const id = (reply: Reply) => (JSON.parse(reply.text) as { run: { id: string } }).run.id;
  expect(id(second)).toBe(id(first));
  expectProblem(await submit("echo twice"), 409, /request/i);
  await server.api.ended(id(first));
});
