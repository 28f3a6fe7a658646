// A device that loses its network: the page says so and asks for nothing, and goes on as soon as there is a network again. A board on this
// very machine needs none.
import type { Page } from "@playwright/test";
import { LOST, expect, openLink, test } from "../fixtures";
import { stopClock, takeClock } from "../support/clock";
import { allLines, line, live, loadedSnapshots, theConsole } from "../support/pages";
import type { Proxy } from "../support/proxy";
import { documented, NAME } from "../support/real_proxy";
import { ToldRun } from "../support/told";

const OFFLINE = "Paused: this device is offline";
/** What Chromium says of requests without a network, and of a page that came without TLS by a name. */
const EXPECTED = [LOST, /status of 503/, /net::ERR_INTERNET_DISCONNECTED/, /Cross-Origin-Opener-Policy header has been ignored/];

/** Tells the page alone that there is no network, or that there is one again: what it asks for would arrive all the same. */
async function tell(page: Page, offline: boolean): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.overrideNetworkState", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  expect(await page.evaluate(() => navigator.onLine)).toBe(!offline);
}

/** Records from now on each request about a stream, whether it reaches anybody or not. */
function asked(page: Page): string[] {
  const requests: string[] = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith("/api/v1/events")) requests.push(`${request.method()} ${pathname}`);
  });
  return requests;
}

test.use({
  config: documented("toml"),
  launchOptions: async ({ launchOptions }, use) =>
    use({ ...launchOptions, args: [...(launchOptions.args ?? []), `--host-resolver-rules=MAP ${NAME} 127.0.0.1`] }),
});

/** The board by its name, signed in there. */
async function open(page: Page, proxy: Proxy, signInLink: string): Promise<string> {
  const url = `http://${NAME}:${new URL(proxy.url).port}`;
  const { pathname, search } = new URL(signInLink);
  await openLink(page, url + pathname + search);
  await expect(page).toHaveURL(`${url}/`);
  return url;
}

test("offline in mid-run: said in words, nothing asked for, and what was missed comes once", async ({ page, context, server, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(...EXPECTED);
  const url = await open(page, proxy, server.signInLink);
  await takeClock(page);
  const run = await ToldRun.start(server);
  await page.goto(`${url}/runs/${run.id}`);
  await live(page);
  run.write(50);
  await expect(line(page, run.last)).toBeVisible();
  const loaded = loadedSnapshots(page);

  await context.setOffline(true);
  const connection = page.locator("[data-connection]");
  await expect(connection).toHaveText(OFFLINE);
  await expect(connection).toHaveAttribute("data-connection", "paused");
  await expect.poll(() => proxy.openStreams).toBe(0);
  run.write(50);
  const output = await run.end();
  const requests = asked(page);
  const streams = proxy.streams.length;
  // However long it lasts. What the page asks for by itself comes before what is asked for here.
  await page.clock.fastForward(600_000);
  await page.evaluate(() => fetch("/healthz").catch(() => undefined));
  expect(requests).toEqual([]);
  await expect(connection).toHaveText(OFFLINE);

  // Its clock stands still: there is nothing that it waits for.
  await stopClock(page);
  await context.setOffline(false);
  await live(page);
  await page.clock.resume();
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(run.lines);
  expect(output).toBe(run.lines.map((text) => `${text}\n`).join(""));
  expect(proxy.streams.length - streams).toBe(1);
  expect(loaded, "nothing had to be mended").toEqual([]);
});

for (const [how, lose] of [
  ["there is none", (page: Page, offline: boolean) => page.context().setOffline(offline)],
  ["the browser only says so", tell],
] as const) {
  test(`without a network while waiting between attempts (${how}): no further attempt, then at once and with a fresh budget`, async ({
    page,
    server,
    reverseProxy: proxy,
    expectedErrors,
  }) => {
    expectedErrors.push(...EXPECTED);
    await open(page, proxy, server.signInLink);
    await takeClock(page);
    await page.reload();
    await live(page);
    await stopClock(page);
    const connection = page.locator("[data-connection]");
    proxy.streamsAre = { status: 503 };
    proxy.cut();
    for (const attempt of [1, 2, 3]) {
      await expect(connection).toContainText(`Reconnecting: attempt ${attempt}`);
      await page.clock.fastForward(30_000);
    }
    await expect(connection).toContainText("Reconnecting: attempt 4");

    await lose(page, true);
    await expect(connection).toHaveText(OFFLINE);
    const requests = asked(page);
    const streams = proxy.streams.length;
    await page.clock.fastForward(600_000);
    await page.evaluate(() => fetch("/healthz").catch(() => undefined));
    expect(requests).toEqual([]);
    expect(proxy.streams.length).toBe(streams);

    await lose(page, false);
    await expect(connection).toContainText("Reconnecting: attempt 1");
    expect(proxy.streams.length - streams).toBe(1);
    proxy.streamsAre = "pass";
    await lose(page, true);
    await expect(connection).toHaveText(OFFLINE);
    await lose(page, false);
    await live(page);
    expect(proxy.streams.length - streams).toBe(2);
  });
}

test("on this machine a page without a network stays live, and comes back when its stream is lost", async ({ signedIn: page, server, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(LOST);
  const run = await ToldRun.start(server);
  await page.goto(`${proxy.url}/runs/${run.id}`);
  await live(page);
  run.write(50);
  await expect(line(page, run.last)).toBeVisible();
  const loaded = loadedSnapshots(page);
  const streams = proxy.streams.length;
  await tell(page, true);
  run.write(50);
  await expect(line(page, run.last)).toBeVisible();
  await live(page);
  expect(proxy.streams.length).toBe(streams);
  proxy.cut();
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "waiting");
  await live(page);
  expect(proxy.streams.length - streams).toBe(1);
  run.write(50);
  await run.end();
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(run.lines);
  expect(loaded, "nothing had to be mended").toEqual([]);
});
