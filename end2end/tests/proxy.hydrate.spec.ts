// What stands between a browser and a server fails in its own ways: refuses, cuts, falls silent.
import { LOST, expect, test } from "../fixtures";
import { takeClock } from "../support/clock";
import { allLines, arrived, line, live, loadedSnapshots, theConsole, watchConnection } from "../support/pages";
import type { Page } from "@playwright/test";
import type { Proxy } from "../support/proxy";

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index + 1}`);

async function submitThrough(page: Page, proxy: Proxy, prompt: string) {
  await page.goto(proxy.url);
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  return arrived(page);
}

test("503 for some seconds in mid-run: the page says so, backs off, returns and has every line once", async ({ signedIn: page, reverseProxy: proxy, server, expectedErrors }) => {
  expectedErrors.push(LOST, /status of 503/);
  const { run } = await submitThrough(page, proxy, "for i in $(seq 1 200); do echo line $i; sleep 0.04; done");
  await expect(line(page, "line 20")).toBeVisible();
  await live(page);
  const states = await watchConnection(page);
  const healed = loadedSnapshots(page);
  const before = proxy.streams.length;

  proxy.streamsAre = { status: 503, headers: { "content-type": "text/plain" }, body: "no server available\n" };
  proxy.cut();
  const connection = page.locator("[data-connection]");
  await expect(connection).toHaveText(/Reconnecting: attempt \d+, next in \d+ s/);
  await expect.poll(() => proxy.streams.length - before).toBe(3);
  await expect(connection).toHaveText(/attempt [34]/);
  proxy.streamsAre = "pass";

  await live(page);
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded", { timeout: 20_000 });
  expect(await allLines(page)).toEqual(numbered(200));
  expect(await server.api.output(run)).toBe(numbered(200).map((text) => `${text}\n`).join(""));
  expect(healed, "snapshots that had to make good what the stream did not bring").toEqual([]);

  // Each wait is longer than the one before, and the page never claimed to be live meanwhile.
  const times = proxy.streams.slice(before, before + 4).map(({ at }) => at);
  const waits = times.slice(1).map((at, index) => at - times[index]!);
  expect(waits[1]).toBeGreaterThan(waits[0]! * 0.9);
  expect(waits[2]).toBeGreaterThan(waits[1]! * 0.9);
  const all = await states();
  const words = all.map(({ state }) => state);
  expect(words.slice(words.indexOf("waiting"), words.lastIndexOf("waiting") + 1)).not.toContain("live");
});

test("connections that are cut again and again lose and repeat nothing", async ({ signedIn: page, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(LOST);
  await submitThrough(page, proxy, "for i in $(seq 1 200); do echo line $i; sleep 0.03; done");
  await live(page);
  const healed = loadedSnapshots(page);
  for (const seen of ["line 10", "line 50", "line 100"]) {
    await expect(line(page, seen)).toBeVisible();
    await live(page);
    proxy.cut();
    await expect(page.locator("[data-connection]")).not.toHaveAttribute("data-connection", "live");
  }
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded", { timeout: 20_000 });
  expect(await allLines(page)).toEqual(numbered(200));
  expect(healed, "snapshots that had to make good what the stream did not bring").toEqual([]);
});

test("a stream that opens and stays silent is given up and opened anew", async ({ signedIn: page, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(LOST);
  // The page's clock is ours, so that its patience does not cost us the time.
  await takeClock(page);
  const { run } = await submitThrough(page, proxy, "for i in $(seq 1 5); do echo line $i; done; read more; echo done");
  await expect(line(page, "line 5")).toBeVisible();
  await live(page);

  proxy.streamsAre = "silence";
  proxy.cut();
  await expect(page.locator("[data-connection]")).not.toHaveAttribute("data-connection", "live");
  const before = proxy.streams.length;
  await page.clock.fastForward(2_000);
  await expect.poll(() => proxy.streams.length).toBeGreaterThan(before);
  proxy.streamsAre = "pass";
  const silent = proxy.streams.length;
  // 2.5 heartbeats of 15 s, and the wait before the next attempt.
  await page.clock.fastForward(40_000);
  await page.clock.fastForward(5_000);
  await expect.poll(() => proxy.streams.length).toBeGreaterThan(silent);
  await live(page);

  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(theConsole(page)).toHaveAttribute("data-status", "cancelled");
  expect(run).not.toBe("");
});
