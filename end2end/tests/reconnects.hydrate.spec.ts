// A thousand connections lost one after the other: the page is after them what it was before, and has every line.
import type { CDPSession, Page } from "@playwright/test";
import { expect, LOST, test } from "../fixtures";
import { allLines, line, live, loadedSnapshots, theConsole } from "../support/pages";
import { ToldRun } from "../support/told";

const ROUNDS = 1_000;
/** How much faster than time the page's clock goes, so that its waits do not cost us the time. */
const HASTE = 3;
/** So many lines before the first round: more than a console has in the document. */
const FIRST = 200;
/** How much the scripts' heap may be larger at the end, in bytes: a round leaves an object of less than 300 bytes, or none. */
const HEAP_NOISE = 256 * 1024;
/** The same for the wasm's memory, which holds the lines and grows by 64 kB. */
const WASM_NOISE = 128 * 1024;

interface Size {
  /** What scripts take, in bytes. */
  heap: number;
  /** In bytes; it never shrinks. */
  wasm: number;
  counts: { listeners: number; nodes: number; documents: number };
}

/** What the page holds when it is at rest and all that can be let go of has been. */
async function size(page: Page, session: CDPSession): Promise<Size> {
  await live(page);
  await expect(page.getByText(/caught up/i)).toHaveCount(0);
  const sources = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return page.evaluate(() => (window as unknown as { sources: WeakRef<EventSource>[] }).sources.filter((source) => source.deref()).length);
  };
  await expect.poll(sources, "EventSources that are held").toBe(1);
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value ?? Number.NaN;
  const wasm = await page.evaluate(() => (window as unknown as { memory: WebAssembly.Memory }).memory.buffer.byteLength);
  const counts = { listeners: of("JSEventListeners"), nodes: of("Nodes"), documents: of("Documents") };
  return { heap: of("JSHeapUsedSize"), wasm, counts };
}

test("a thousand lost connections leave heap, listeners and nodes as they were, and lose no line", async ({ signedIn: page, context, server, reverseProxy: proxy, expectedErrors }) => {
  test.slow();
  expectedErrors.push(LOST);
  let heard = () => {};
  await page.exposeFunction("heard", () => heard());
  await page.addInitScript((haste) => {
    const [began, now, setTimeout] = [Date.now(), Date.now, window.setTimeout];
    Date.now = () => Math.floor(began + (now() - began) * haste);
    Object.assign(window, { setTimeout: (callback: () => void, delay = 0) => setTimeout(callback, delay / haste) });
    // The browser's own list of what was loaded, which has room for 250.
    performance.setResourceTimingBufferSize(0);
    const sources: WeakRef<EventSource>[] = [];
    Object.assign(window, { sources });
    window.EventSource = class extends EventSource {
      constructor(url: string | URL) {
        super(url);
        sources.push(new WeakRef(this));
        this.addEventListener("hello", () => void (window as unknown as { heard: () => Promise<void> }).heard(), { once: true });
      }
    };
    const instantiate = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (...given) => {
      const made = await instantiate(...given);
      const { memory } = made.instance.exports;
      if (memory) Object.assign(window, { memory });
      return made;
    };
  }, HASTE);
  const run = await ToldRun.start(server);
  run.write(FIRST);
  await page.goto(`${proxy.url}/runs/${run.id}`);
  await expect(line(page, run.last)).toBeVisible();
  await live(page);
  const loaded = loadedSnapshots(page);
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable");

  // The shortest delay that there is: 0.05 to 0.1 s.
  proxy.streamsAre = (text) => text.replace(/"retryMs":\d+/, '"retryMs":100');
  const before = proxy.streams.length;
  const sizes: Size[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const back = new Promise<void>((resolve) => (heard = resolve));
    proxy.cut();
    run.write(1);
    await back;
    if (round === 100 || round === ROUNDS) sizes.push(await size(page, session));
  }
  expect(proxy.streams.length - before).toBe(ROUNDS);
  expect(proxy.openStreams).toBe(1);
  const [early, late] = sizes as [Size, Size];
  test.info().annotations.push({ type: "sizes", description: JSON.stringify(sizes) });
  console.log(JSON.stringify(sizes));

  await run.end();
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(run.lines);
  expect(loaded, "nothing had to be mended").toEqual([]);
  expect(late.counts).toEqual(early.counts);
  expect(late.heap - early.heap, `bytes of heap beyond ${early.heap}`).toBeLessThan(HEAP_NOISE);
  expect(late.wasm - early.wasm, `bytes of wasm memory beyond ${early.wasm}`).toBeLessThanOrEqual(WASM_NOISE);
});
