// What can stand in a stream's place when the page comes back for it: each answer leads to the state that it means, and once the
// stream is there again nothing is missing.
import { expect, LOST, test } from "../fixtures";
import { allLines, live, loadedSnapshots, theConsole } from "../support/pages";
import type { Answer } from "../support/proxy";

const COUNT = "for i in $(seq 1 150); do echo line $i; sleep 0.02; done";
const ALL = Array.from({ length: 150 }, (_, at) => `line ${at + 1}`);
const HTML = { "content-type": "text/html" };

/** The first word of the state, and what stands there for a person. */
const CASES: { name: string; answer: Answer; state: string; words: RegExp }[] = [
  { name: "500", answer: { status: 500, headers: HTML, body: "<h1>broken</h1>" }, state: "waiting", words: /Reconnecting: attempt [2-9]/ },
  { name: "502", answer: { status: 502, headers: HTML, body: "<h1>bad gateway</h1>" }, state: "waiting", words: /Reconnecting: attempt [2-9]/ },
  { name: "a page instead of a stream", answer: { status: 200, headers: HTML, body: "<p>hello</p>" }, state: "waiting", words: /attempt [2-9]/ },
  { name: "a redirect to a page", answer: { status: 302, headers: { location: "/healthz" } }, state: "waiting", words: /attempt [2-9]/ },
  { name: "a connection that is dropped at once", answer: "drop", state: "waiting", words: /attempt [2-9]/ },
  { name: "404", answer: { status: 404, headers: HTML, body: "" }, state: "closed", words: /refused with status 404/ },
  { name: "204", answer: { status: 204 }, state: "closed", words: /Complete/ },
];

for (const { name, answer, state, words } of CASES) {
  test(`${name}: the page says so, and goes on when the stream is there again`, async ({ signedIn: page, server, reverseProxy: proxy, expectedErrors }) => {
    expectedErrors.push(LOST, /Failed to load resource/, /EventSource's response has a MIME type/);
    const { run } = await server.api.submit(COUNT);
    await page.goto(`${proxy.url}/runs/${run.id}`);
    await live(page);
    const loaded = loadedSnapshots(page);
    proxy.streamsAre = answer;
    proxy.cut();
    const connection = page.locator("[data-connection]");
    await expect(connection).toContainText(words);
    await expect(connection).toHaveAttribute("data-connection", state);
    await server.api.ended(run.id);
    proxy.streamsAre = "pass";
    if (name === "204") await page.reload();
    else if (state === "closed") await page.getByRole("button", { name: "Reconnect now" }).click();
    // One that waits comes back by itself.
    await expect(connection).toHaveAttribute("data-connection", "live", { timeout: 30_000 });
    await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
    expect(await allLines(page)).toEqual(ALL);
    if (name !== "204") expect(loaded, "nothing had to be mended").toEqual([]);
  });
}

for (const status of [401, 403]) {
  test(`${status}: signed out, and not asked again`, async ({ signedIn: page, reverseProxy: proxy, expectedErrors }) => {
    expectedErrors.push(LOST, /Failed to load resource/);
    await page.goto(proxy.url);
    await live(page);
    proxy.streamsAre = { status, headers: { "content-type": "application/problem+json" }, body: "{}" };
    proxy.cut();
    await expect(page.locator("[data-connection]")).toContainText(/signed out/i);
    const asked = proxy.streams.length;
    await page.evaluate(() => {
      for (const name of ["online", "pageshow"]) window.dispatchEvent(new Event(name));
      document.dispatchEvent(new Event("visibilitychange"));
    });
    // A person would go on reading: nothing else is asked for in the meantime.
    await page.getByRole("link", { name: "Board", exact: true }).click();
    await expect(page).toHaveURL(/\/tasks$/);
    expect(proxy.streams.length).toBe(asked);
  });
}
