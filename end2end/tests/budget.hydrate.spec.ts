// What the first load of the dashboard may cost. Measured on the release build, with an empty cache.
import { expect, test } from "../fixtures";
import { live } from "../support/pages";

const MOST_KILOBYTES = 300;

test("first load: at most 300 kB, at most 12 requests, one host, a layout that stands still", async ({ signedIn: page, context, server }) => {
  const session = await context.newCDPSession(page);
  const requests = new Map<string, { url: string; bytes: number }>();
  session.on("Network.requestWillBeSent", ({ requestId, request }) => requests.set(requestId, { url: request.url, bytes: 0 }));
  // Headers as they came, then the body; the stream is open at the end and has no "finished".
  session.on("Network.responseReceived", ({ requestId, response }) => (requests.get(requestId)!.bytes = response.encodedDataLength));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => (requests.get(requestId)!.bytes = encodedDataLength));
  await session.send("Network.enable");
  await session.send("Network.clearBrowserCache");
  await page.addInitScript(() => {
    const shift = { sum: 0 };
    Object.assign(window, { shift });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shift.sum += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift", buffered: true });
  });

  await page.goto("/", { waitUntil: "load" });
  await live(page);
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => new Promise((done) => requestIdleCallback(done)));

  const all = [...requests.values()].filter(({ url }) => !url.startsWith("data:"));
  const kilobytes = all.reduce((sum, { bytes }) => sum + bytes, 0) / 1000;
  const told = all.map(({ url, bytes }) => `${(bytes / 1000).toFixed(1).padStart(7)} kB ${url.replace(server.url, "")}`).join("\n");
  const shift = await page.evaluate(() => (window as unknown as { shift: { sum: number } }).shift.sum);
  const sum = `first load: ${kilobytes.toFixed(1)} kB, ${all.length} requests, layout shift ${shift.toFixed(4)}`;
  test.info().annotations.push({ type: "budget", description: sum });
  console.log(`${sum}\n${told}`);

  expect(all.length, told).toBeLessThanOrEqual(12);
  expect(kilobytes, told).toBeLessThanOrEqual(MOST_KILOBYTES);
  expect(kilobytes, told).toBeGreaterThan(20);
  expect(all.filter(({ url }) => new URL(url).origin !== server.url)).toEqual([]);
  expect(shift).toBeLessThan(0.02);
});
