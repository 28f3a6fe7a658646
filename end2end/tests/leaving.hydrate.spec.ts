// Going from page to page while the stream is in each of its states: what the page that is left had open, set or asked for is gone with it,
// and whoever comes back finds the stream and every line again.
import type { CDPSession, Page, Request } from "@playwright/test";
import { expect, LOST, test } from "../fixtures";
import { stopClock, takeClock, timers } from "../support/clock";
import { allLines, line, live, loadedSnapshots, theConsole } from "../support/pages";
import type { Proxy } from "../support/proxy";
import { ToldRun } from "../support/told";

const PROBLEM = { "content-type": "application/problem+json" };
/** Has no component that wants the stream. */
const NOWHERE = "/nowhere";

const connection = (page: Page) => page.locator("[data-connection]");

/** How a live stream gets into each state. The page's clock stands still meanwhile, so that it stays there. */
const STATES: { state: string; enter: (page: Page, proxy: Proxy) => Promise<void>; afterwards?: string }[] = [
  { state: "live", enter: live },
  {
    state: "connecting",
    enter: async (page, proxy) => {
      proxy.streamsAre = "hang";
      proxy.probesAre = { status: 503 };
      proxy.cut();
      await expect(connection(page)).toContainText("Reconnecting: attempt 1");
      await page.clock.fastForward(10_000);
      await expect(connection(page)).toHaveText("Connecting…");
      await expect.poll(() => proxy.openStreams).toBe(1);
    },
  },
  {
    state: "waiting",
    enter: async (page, proxy) => {
      const answered = page.waitForResponse((answer) => answer.request().method() === "HEAD");
      proxy.streamsAre = { status: 503 };
      proxy.cut();
      await answered;
      await expect(connection(page)).toContainText("Reconnecting: attempt 1");
    },
  },
  {
    state: "probing",
    enter: async (page, proxy) => {
      const asked = page.waitForRequest((request) => request.method() === "HEAD");
      proxy.probesAre = "hang";
      proxy.cut();
      await asked;
      await expect(connection(page)).toContainText("Reconnecting: attempt 1");
    },
  },
  {
    state: "paused",
    enter: async (page, proxy) => {
      proxy.streamsAre = { status: 503 };
      proxy.cut();
      await expect(async () => {
        await page.clock.fastForward(30_000);
        expect(await connection(page).textContent()).toMatch(/^Paused after 8 attempts/);
      }).toPass({ intervals: [50] });
    },
  },
  {
    state: "refused",
    enter: async (page, proxy) => {
      proxy.streamsAre = { status: 404, headers: PROBLEM, body: "{}" };
      proxy.cut();
      await expect(connection(page)).toHaveText("Stopped: refused with status 404");
    },
  },
  {
    state: "signed out",
    enter: async (page, proxy) => {
      proxy.streamsAre = { status: 401, headers: PROBLEM, body: "{}" };
      proxy.cut();
      await expect(connection(page)).toHaveText("Stopped: signed out");
    },
    afterwards: "Stopped: signed out",
  },
];

/** Follows a link within the application. */
async function follow(page: Page, to: string): Promise<void> {
  await page.evaluate((to) => {
    const link = document.createElement("a");
    link.href = to;
    document.body.append(link);
    link.click();
    link.remove();
  }, to);
  await expect(page).toHaveURL((url) => url.pathname === to);
}

/** The requests that the page waits for, from now on. */
function pending(page: Page): Set<Request> {
  const requests = new Set<Request>();
  page.on("request", (request) => requests.add(request));
  for (const end of ["requestfinished", "requestfailed"] as const) page.on(end, (request) => requests.delete(request));
  return requests;
}

/** The event listeners that the browser holds for the page, after all that can be let go of has been. */
async function listeners(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "JSEventListeners")?.value ?? Number.NaN;
}

for (const { state, enter, afterwards = "Not live" } of STATES) {
  test(`${state}: leaving for a page that wants no stream ends it with all that belongs to it, and coming back begins it anew`, async ({
    signedIn: page,
    context,
    server,
    reverseProxy: proxy,
    expectedErrors,
  }) => {
    expectedErrors.push(LOST, /status of (503|404|401)/);
    const session = await context.newCDPSession(page);
    await session.send("Performance.enable");
    await takeClock(page);
    const run = await ToldRun.start(server);
    run.write(20);
    const console = `/runs/${run.id}`;
    const open = pending(page);
    await page.goto(proxy.url + console);
    await live(page);

    // What is left over where nothing went wrong.
    await follow(page, NOWHERE);
    await page.clock.fastForward(5_000);
    await expect(connection(page)).toHaveText("Not live");
    const before = await listeners(session);

    await follow(page, console);
    await live(page);
    await expect(line(page, run.last)).toBeVisible();
    await stopClock(page);
    await enter(page, proxy);
    await follow(page, NOWHERE);
    // The stream outlives its page by a moment, in case the next one wants it.
    await page.clock.fastForward(5_000);
    await expect(connection(page)).toHaveText(afterwards);
    await expect.poll(() => proxy.openStreams).toBe(0);
    await expect.poll(() => [...open].map((request) => request.url())).toEqual([]);
    await expect.poll(() => listeners(session)).toBe(before);
    expect(await timers(page), "timers that nobody took away").toBe(0);

    const requests: string[] = [];
    page.on("request", (request) => requests.push(new URL(request.url()).pathname));
    await page.clock.fastForward(600_000);
    // What the page asks for by itself comes before what is asked for here.
    await page.evaluate(() => fetch("/healthz"));
    expect(requests).toEqual(["/healthz"]);

    run.write(20);
    await expect.poll(() => server.api.output(run.id)).toContain(`${run.last}\n`);
    proxy.streamsAre = "pass";
    proxy.probesAre = undefined;
    await page.clock.resume();
    await follow(page, console);
    // Only a new page can be signed in.
    if (afterwards !== "Not live") await page.reload();
    await live(page);
    await expect(line(page, run.last)).toBeVisible();
    expect(await allLines(page)).toEqual(run.lines);
    expect(proxy.openStreams).toBe(1);
    await run.end();
  });
}

for (const { state, enter } of STATES.filter(({ state }) => state !== "signed out")) {
  test(`${state}: leaving a console for the board and coming back goes on with one stream`, async ({ signedIn: page, server, reverseProxy: proxy, expectedErrors }) => {
    expectedErrors.push(LOST, /status of (503|404)/);
    await takeClock(page);
    const run = await ToldRun.start(server);
    run.write(20);
    await page.goto(`${proxy.url}/runs/${run.id}`);
    await live(page);
    await stopClock(page);
    await enter(page, proxy);
    const asked = proxy.streams.length;
    await follow(page, "/tasks");
    await expect(page.getByRole("heading", { name: "Board" })).toBeVisible();
    // The board wants another stream than the console. Where the page does not wait for its time or a person, it asks for that one at
    // once, and is to be answered as this state has it before the proxy answers otherwise.
    if (/live|connecting|refused/.test(state)) await expect.poll(() => proxy.streams.length).toBe(asked + 1);
    if (state === "refused") await expect(connection(page)).toHaveText("Stopped: refused with status 404");

    proxy.streamsAre = "pass";
    proxy.probesAre = undefined;
    // A stream that has given up waits for a person, any other for its time; so does what fails once more.
    if (/paused|refused/.test(state)) await page.getByRole("button", { name: "Reconnect now" }).click();
    await expect(async () => {
      await page.clock.fastForward(5_000);
      await expect(connection(page)).toHaveText("Live", { timeout: 500 });
    }).toPass({ intervals: [50] });
    await live(page);
    await page.clock.resume();
    await server.api.post({ title: "Posted since" });
    await expect(page.getByRole("main").getByRole("link", { name: "Posted since" })).toBeVisible();
    expect(proxy.openStreams).toBe(1);

    await follow(page, `/runs/${run.id}`);
    await expect(line(page, run.last)).toBeVisible();
    await live(page);
    const loaded = loadedSnapshots(page);
    run.write(20);
    await expect(line(page, run.last)).toBeVisible();
    expect(await allLines(page)).toEqual(run.lines);
    expect(loaded, "nothing had to be mended").toEqual([]);
    expect(proxy.openStreams).toBe(1);
    await run.end();
    await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  });
}
