// A prompt's output, live, through reloads and restarts: every line once and in order.
import fs from "node:fs";
import path from "node:path";
import { LOST, expect, test } from "../fixtures";
import { allLines, line, live, loadedSnapshots, submit, theConsole, watchConnection } from "../support/pages";

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index + 1}`);
/** Exactly as the program writes it. */
const written = (count: number) => numbered(count).map((text) => `${text}\n`).join("");
const counting = (count: number, pause: number) => `for i in $(seq 1 ${count}); do echo line $i; sleep ${pause}; done`;

test("output comes live, and a reload in mid-run loses and repeats nothing", async ({ signedIn: page, server }) => {
  const { run } = await submit(page, "for i in $(seq 1 200); do echo line $i; sleep 0.02; done");
  const console = theConsole(page);
  // Lines are seen one by one, not all at the end.
  await expect(line(page, "line 10")).toBeVisible();
  await expect(console).toHaveAttribute("data-status", "running");
  await expect(line(page, "line 60")).toBeVisible();

  await page.reload();
  // What was written so far is there with the page itself, before any event.
  await expect(console).toHaveAttribute("data-status", "running");
  await expect(line(page, "line 120")).toBeVisible();
  await live(page);

  await expect(console).toHaveAttribute("data-status", "succeeded");
  await expect(console).toContainText("succeeded");
  await expect(console).toContainText("200 lines");
  expect(await allLines(page)).toEqual(numbered(200));
  expect(await server.api.output(run)).toBe(written(200));

  await page.reload();
  expect(await allLines(page)).toEqual(numbered(200));
});

test("the page that a reload brings already holds what was written", async ({ signedIn: page, server, browser }) => {
  const { run, task } = await server.api.submit("seq -f 'line %g' 1 30; read forever").then(({ run, task }) => ({ run: run.id, task: task.id }));
  await server.api.streamUntil(`/api/v1/runs/${run}/events`, "output");
  await expect.poll(() => server.api.output(run)).toBe(written(30));
  // Without a script the page is what the server rendered.
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await page.context().storageState() });
  const other = await plain.newPage();
  await other.goto(`${server.url}/tasks/${task}`);
  await expect(line(other, "line 30")).toHaveCount(1);
  await plain.close();
  await server.api.cancel(run);
});

test("a server that is killed in mid-run and started again is made good by the open page", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  const { run } = await submit(page, counting(200, 0.03));
  await expect(line(page, "line 30")).toBeVisible();
  await live(page);
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }));
  const loaded = loadedSnapshots(page);

  await server.stop("SIGKILL");
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "waiting");
  await server.start();

  const console = theConsole(page);
  await live(page);
  await expect(page.getByText(/caught up [\d,]+ lines?/i)).toBeVisible();
  await expect(console).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(numbered(200));
  expect(await server.api.output(run)).toBe(written(200));
  expect(await page.evaluate(() => "neverReloaded" in window)).toBe(true);
  expect(loaded, "snapshots instead of events").toEqual([]);
  await page.reload();
  expect(await allLines(page)).toEqual(numbered(200));
});

test("a run that ends while the server is down is complete when it is back", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  const { run } = await submit(page, `${counting(100, 0.02)}; touch ended`);
  await expect(line(page, "line 20")).toBeVisible();
  await live(page);
  await server.stop("SIGKILL");
  await expect.poll(() => fs.existsSync(path.join(server.home, "ended"))).toBe(true);
  await server.start();

  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(numbered(100));
  expect(await server.api.output(run)).toBe(written(100));
});

test("a server that is killed after the run has ended brings everything back", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  const { run, task } = await submit(page, "seq -f 'line %g' 1 200");
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  await live(page);
  const before = await server.api.run(run);
  await server.stop("SIGKILL");
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "waiting");
  await server.start();
  await live(page);
  expect(await allLines(page)).toEqual(numbered(200));
  expect(await server.api.run(run)).toEqual(before);
  await page.goto(`/tasks/${task}`);
  expect(await allLines(page)).toEqual(numbered(200));
});

test("three restarts during one run, by kill and by request, leave no trace in the output", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST, /status of 503/);
  const { run } = await submit(page, counting(300, 0.03));
  await live(page);
  const loaded = loadedSnapshots(page);
  for (const [seen, signal] of [["line 20", "SIGTERM"], ["line 90", "SIGKILL"], ["line 160", "SIGTERM"]] as const) {
    await expect(line(page, seen)).toBeVisible();
    await live(page);
    await server.stop(signal);
    await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "waiting");
    await server.start();
  }
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded", { timeout: 20_000 });
  expect(await allLines(page)).toEqual(numbered(300));
  expect(await server.api.output(run)).toBe(written(300));
  expect(loaded, "snapshots instead of events").toEqual([]);
});

test("a lost server is said within 0.5 s, and the page is live within 1.5 s of its return", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  await submit(page, "for i in $(seq 1 100000); do echo line $i; sleep 0.05; done");
  await expect(line(page, "line 10")).toBeVisible();
  await live(page);
  const states = await watchConnection(page);
  // More than once, so that a lucky draw of the back-off does not pass for a promise.
  for (let round = 0; round < 3; round++) {
    const killed = Date.now();
    await server.stop("SIGKILL");
    await server.start();
    const back = server.listensSince;
    await expect.poll(async () => (await states()).findLast(({ at }) => at > back)?.state).toBe("live");
    const since = (await states()).filter(({ at }) => at >= killed);
    const lost = since.find(({ state }) => state !== "live");
    const returned = since.find(({ at, state }) => at > (lost?.at ?? 0) && state === "live");
    test.info().annotations.push({ type: `round ${round}`, description: `said after ${lost!.at - killed} ms, live ${returned!.at - back} ms after its return` });
    expect(lost!.at - killed, "ms until the loss is said").toBeLessThan(500);
    expect(lost!.words).toMatch(/^Reconnecting: attempt 1|^Connecting/);
    expect(returned!.at - back, "ms from the server's return to live").toBeLessThan(1_500);
    await expect(page.getByText(/caught up [\d,]+ lines?/i)).toBeVisible();
  }
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(theConsole(page)).toHaveAttribute("data-status", "cancelled");
});
