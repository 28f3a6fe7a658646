// A page that the browser keeps for going back to, frozen as it was: its stream ends when it is left, and goes on where it was when it is
// shown again. Chromium keeps no page whose server says no-store, as ours does, other browsers do in part: so the proxy takes that word away.
// Nor does it always keep a tab that shares its stream with others: where the cache itself is what counts, each tab has a stream of its own,
// as on a page that came by a name and without TLS.
import type { BrowserContext, Page } from "@playwright/test";
import { expect, LOST, test } from "../fixtures";
import { signOut } from "../support/forms";
import { allLines, line, live, loadedSnapshots, theConsole } from "../support/pages";
import { ToldRun } from "../support/told";

test.use({
  launchOptions: async ({ launchOptions }, use) => use({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] }),
});

test.beforeEach(async ({ context, reverseProxy: proxy }) => {
  proxy.documentsMayBeKept = true;
  await context.addInitScript(() => addEventListener("pageshow", ({ persisted }) => Object.assign(window, { persisted })));
});

/** Each tab has a stream of its own. */
async function alone(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
}

/** Goes to another document. */
async function leave(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
}

/** Goes back, to a page that was kept or to one that is loaded anew. */
async function goBack(page: Page, url: string): Promise<void> {
  await page.evaluate(() => history.back());
  // A page that was kept has been loaded long ago.
  await page.waitForURL(url, { waitUntil: "commit" });
}

/** Goes back to a page that was kept. */
async function back(page: Page, url: string): Promise<void> {
  await goBack(page, url);
  await expect.poll(() => page.evaluate(() => (window as unknown as { persisted?: boolean }).persisted), "the page was kept").toBe(true);
}

test("a page that comes back from the cache goes on with one stream, every line once", async ({ signedIn: page, context, server, reverseProxy: proxy }) => {
  await alone(context);
  const run = await ToldRun.start(server);
  const url = `${proxy.url}/runs/${run.id}`;
  await page.goto(url);
  await live(page);
  const loaded = loadedSnapshots(page);
  // More than once: what a page keeps of an earlier time must not add up.
  for (let round = 0; round < 3; round++) {
    run.write(50);
    await expect(line(page, run.last)).toBeVisible();
    await live(page);
    await leave(page);
    await expect.poll(() => proxy.openStreams).toBe(0);
    const asked = proxy.streams.length;
    run.write(50);
    await expect.poll(() => server.api.output(run.id)).toContain(`${run.last}\n`);
    expect(proxy.streams.length).toBe(asked);

    await back(page, url);
    await live(page);
    await expect(line(page, run.last)).toBeVisible();
    expect(proxy.streams.length - asked).toBe(1);
    expect(proxy.openStreams).toBe(1);
  }
  expect(await run.end()).toBe(run.lines.map((text) => `${text}\n`).join(""));
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(run.lines);
  expect(loaded, "nothing had to be mended").toEqual([]);
});

test("a run that has ended meanwhile is complete when its page comes back", async ({ signedIn: page, context, server, reverseProxy: proxy }) => {
  await alone(context);
  const run = await ToldRun.start(server);
  const url = `${proxy.url}/runs/${run.id}`;
  await page.goto(url);
  run.write(50);
  await expect(line(page, run.last)).toBeVisible();
  await live(page);
  const loaded = loadedSnapshots(page);
  await leave(page);
  run.write(100);
  await run.end();
  await back(page, url);
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  await live(page);
  expect(await allLines(page)).toEqual(run.lines);
  expect(proxy.openStreams).toBe(1);
  expect(loaded, "nothing had to be mended").toEqual([]);
});

test("signed out meanwhile: a page that comes back says so", async ({ signedIn: page, context, server, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(LOST, /status of 401/);
  await alone(context);
  await page.goto(proxy.url);
  await live(page);
  await leave(page);
  await signOut(context.request, server.url);
  await back(page, `${proxy.url}/`);
  await expect(page.locator("[data-connection]")).toContainText(/signed out/i);
  expect(proxy.openStreams).toBe(0);
});

test("two tabs that share a stream: the other takes it over, and keeps it when the first comes back", async ({ signedIn: page, context, server, reverseProxy: proxy }) => {
  const run = await ToldRun.start(server);
  const url = `${proxy.url}/runs/${run.id}`;
  await page.goto(url);
  await live(page);
  const other = await context.newPage();
  await other.goto(url);
  await live(other);
  const loaded = [loadedSnapshots(page), loadedSnapshots(other)];
  run.write(50);
  for (const each of [page, other]) await expect(line(each, run.last)).toBeVisible();
  const asked = proxy.streams.length;
  await leave(page);
  await expect.poll(() => proxy.streams.length - asked, "the other asks for the stream").toBe(1);
  await expect.poll(() => proxy.openStreams).toBe(1);
  run.write(50);
  await expect(line(other, run.last)).toBeVisible();

  await goBack(page, url);
  await live(page);
  run.write(50);
  await run.end();
  for (const each of [page, other]) {
    await each.bringToFront();
    await expect(theConsole(each)).toHaveAttribute("data-status", "succeeded");
    expect(await allLines(each)).toEqual(run.lines);
  }
  expect(proxy.openStreams).toBe(1);
  expect(loaded.flat(), "nothing had to be mended").toEqual([]);
});

for (const kept of [true, false]) {
  test(`a tab that shares its stream and ${kept ? "may be" : "is not"} kept: going back shows every line once`, async ({ signedIn: page, server, reverseProxy: proxy }) => {
    proxy.documentsMayBeKept = kept;
    const run = await ToldRun.start(server);
    const url = `${proxy.url}/runs/${run.id}`;
    await page.goto(url);
    run.write(50);
    await expect(line(page, run.last)).toBeVisible();
    await live(page);
    await leave(page);
    await expect.poll(() => proxy.openStreams).toBe(0);
    run.write(50);
    await goBack(page, url);
    await live(page);
    if (!kept) expect(await page.evaluate(() => (window as unknown as { persisted?: boolean }).persisted)).toBe(false);
    expect(proxy.openStreams).toBe(1);
    run.write(50);
    await run.end();
    await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
    expect(await allLines(page)).toEqual(run.lines);
  });
}
