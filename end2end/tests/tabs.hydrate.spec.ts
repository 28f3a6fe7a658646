// Several tabs of one browser: they share one stream, whichever of them holds it and whatever becomes of that one.
import type { BrowserContext, Page } from "@playwright/test";
import { expect, test } from "../fixtures";
import { signOut } from "../support/forms";
import { allLines, line, live, loadedSnapshots, theConsole } from "../support/pages";
import type { Proxy } from "../support/proxy";

const LINES = 300;
const COUNT = `for i in $(seq 1 ${LINES}); do echo line $i; sleep 0.02; done`;
const ALL = Array.from({ length: LINES }, (_, at) => `line ${at + 1}`);

/** Tabs on the run's page, all live; `leader` is the one that has asked for a stream last. */
class Tabs {
  readonly pages: Page[] = [];
  leader?: Page;

  constructor(readonly context: BrowserContext) {
    context.on("page", (page) =>
      page.on("request", (request) => {
        if (new URL(request.url()).pathname === "/api/v1/events" && request.method() === "GET") this.leader = page;
      }),
    );
  }

  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    this.pages.push(page);
    await page.goto(url);
    await live(page);
    return page;
  }

  /** Takes the tab that leads out of the list. */
  takeLeader(): Page {
    const leader = this.leader;
    const at = leader ? this.pages.indexOf(leader) : -1;
    if (!leader || at < 0) throw new Error("no tab leads");
    this.pages.splice(at, 1);
    return leader;
  }

  /** Waits until another tab than that has the stream, and all say that they are live. */
  async another(than: Page): Promise<void> {
    await expect.poll(() => this.leader !== undefined && this.leader !== than).toBe(true);
    for (const page of this.pages) await live(page);
  }

  async haveAll(): Promise<void> {
    for (const page of this.pages) {
      await page.bringToFront();
      await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded", { timeout: 30_000 });
      await expect(line(page, `line ${LINES}`)).toBeVisible();
      expect(await allLines(page)).toEqual(ALL);
    }
  }
}

/** The most streams that were open at the same time, a moment's overlap at a hand-over left aside. */
async function openStreams(proxy: Proxy): Promise<number> {
  await expect.poll(() => proxy.openStreams).toBeLessThanOrEqual(1);
  return proxy.openStreams;
}

test("twelve tabs are live over HTTP/1.1 with one connection, and stay so when the one that has it is closed, five times", async ({
  signedIn: _,
  context,
  server,
  reverseProxy: proxy,
}) => {
  test.slow();
  const tabs = new Tabs(context);
  // Long enough for five leaders.
  const { run, task } = await server.api.submit(COUNT.replace("0.02", "0.08"));
  const paths = [`/runs/${run.id}`, `/tasks/${task.id}`];
  for (let count = 0; count < 12; count++) await tabs.open(proxy.url + paths[count % 2]);
  expect(await openStreams(proxy)).toBe(1);
  const snapshots = tabs.pages.map((page) => loadedSnapshots(page));
  for (let count = 0; count < 5; count++) {
    const leader = tabs.takeLeader();
    await leader.close();
    await tabs.another(leader);
    expect(await openStreams(proxy)).toBe(1);
  }
  await tabs.haveAll();
  expect(snapshots.flat(), "nothing had to be mended").toEqual([]);
});

for (const [how, end] of [
  ["reloads", async (page: Page) => void (await page.reload())],
  // What the browser says before it freezes a tab. DevTools' own freezing leaves a visible page as it is.
  ["is about to be frozen", async (page: Page) => page.evaluate(() => void document.dispatchEvent(new Event("freeze")))],
  ["goes elsewhere", async (page: Page) => void (await page.goto("about:blank"))],
] as const) {
  test(`when the tab that has the stream ${how}, another goes on with it`, async ({ signedIn: _, context, server }) => {
    const tabs = new Tabs(context);
    const { run } = await server.api.submit(COUNT);
    for (let count = 0; count < 3; count++) await tabs.open(`${server.url}/runs/${run.id}`);
    const leader = tabs.takeLeader();
    await end(leader);
    await tabs.another(leader);
    await tabs.haveAll();
  });
}

test("when the tab that has the stream dies, another goes on with it", async ({ signedIn: _, context, server }) => {
  const tabs = new Tabs(context);
  const { run } = await server.api.submit(COUNT);
  for (let count = 0; count < 3; count++) await tabs.open(`${server.url}/runs/${run.id}`);
  const leader = tabs.takeLeader();
  const died = leader.waitForEvent("crash");
  leader.goto("chrome://crash").catch(() => undefined);
  await died;
  await tabs.another(leader);
  await tabs.haveAll();
});

test("when the tab that has the stream hangs, looking at another takes it over; when it wakes, it follows", async ({
  signedIn: _,
  context,
  server,
}) => {
  const tabs = new Tabs(context);
  const { run } = await server.api.submit(COUNT);
  for (let count = 0; count < 3; count++) await tabs.open(`${server.url}/runs/${run.id}`);
  const leader = tabs.takeLeader();
  await leader.evaluate(() => {
    Object.assign(window, { awake: false });
    setTimeout(() => {
      const until = Date.now() + 12_000;
      while (Date.now() < until);
      Object.assign(window, { awake: true });
      // Late enough for this call to return.
    }, 200);
  });
  const look = () => tabs.pages[0]?.evaluate(() => void document.dispatchEvent(new Event("visibilitychange")));
  await expect(async () => {
    await look();
    expect(tabs.leader === leader).toBe(false);
  }).toPass({ intervals: [500], timeout: 11_000 });
  await tabs.another(leader);
  await leader.waitForFunction(() => (window as unknown as { awake: boolean }).awake);
  const successor = tabs.leader;
  tabs.pages.push(leader);
  await tabs.haveAll();
  expect(tabs.leader === successor, "it leaves the stream where it is").toBe(true);
});

test("all tabs say when the server is gone, and come back with it", async ({ signedIn: _, context, server }) => {
  const tabs = new Tabs(context);
  const { run } = await server.api.submit(COUNT);
  for (let count = 0; count < 3; count++) await tabs.open(`${server.url}/runs/${run.id}`);
  await server.stop("SIGKILL");
  for (const page of tabs.pages) await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "waiting");
  await server.start();
  for (const page of tabs.pages) await live(page);
  await tabs.haveAll();
});

test("signed out in one tab is said in all", async ({ signedIn: _, context, server }) => {
  const tabs = new Tabs(context);
  for (let count = 0; count < 3; count++) await tabs.open(server.url);
  await signOut(context.request, server.url);
  for (const page of tabs.pages) await expect(page.locator("[data-connection]")).toContainText(/signed out/i);
});

test("where the browser has no locks, each tab has a stream of its own", async ({ signedIn: _, context, server, reverseProxy: proxy }) => {
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
  const tabs = new Tabs(context);
  const { run } = await server.api.submit(COUNT);
  for (let count = 0; count < 3; count++) await tabs.open(`${proxy.url}/runs/${run.id}`);
  expect(proxy.openStreams).toBe(3);
  await tabs.haveAll();
});
