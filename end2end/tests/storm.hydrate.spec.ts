// Faults that a seed draws, with pages open all the time: servers killed and ended, connections cut, silent, refused and dropped, reloads,
// tabs that come and go. `make chaos BROWSER=n` runs as many rounds as one likes; each has a seed of its own, by which it can be repeated.
import type { Page } from "@playwright/test";
import { LOST, expect, test } from "../fixtures";
import { allLines, line, live, theConsole } from "../support/pages";
import { drawing } from "../support/random";
import { ToldRun } from "../support/told";

const first = Number(process.env.CHAOS_SEED ?? 4);
const rounds = Number(process.env.CHAOS_BROWSER_ROUNDS ?? 1);
const STEPS = 14;

/** Waits until the page's own code has taken over. What is cut off while that is being loaded stays the page that the server wrote. */
async function ready(page: Page): Promise<void> {
  await expect(theConsole(page).locator("[data-drawn]")).toHaveCount(1);
}

for (let round = 0; round < rounds; round++) {
  const seed = first + round;
  test(`seed ${seed}: whatever happens, each page ends with exactly what the run wrote`, async ({ signedIn: page, context, server, reverseProxy: proxy, expectedErrors }) => {
    test.setTimeout(180_000);
    expectedErrors.push(LOST, /status of 50\d/);
    const draw = drawing(seed);
    const run = await ToldRun.start(server);
    const address = `${proxy.url}/runs/${run.id}`;
    const pages: Page[] = [page];
    await page.goto(address);
    await ready(page);
    const faults: Record<string, () => unknown> = {
      kill: () => server.stop("SIGKILL").then(() => server.start()),
      terminate: () => server.stop("SIGTERM").then(() => server.start()),
      "kill and write": async () => {
        await server.stop("SIGKILL");
        run.write(draw(30));
        await server.start();
      },
      cut: () => proxy.cut(),
      silence: () => ((proxy.streamsAre = "silence"), proxy.cut()),
      refuse: () => ((proxy.streamsAre = { status: 503 }), proxy.cut()),
      drop: () => ((proxy.streamsAre = "drop"), proxy.cut()),
      pass: () => ((proxy.streamsAre = "pass"), proxy.cut()),
      reload: async () => {
        const tab = pages[draw(pages.length)]!;
        await tab.reload();
        await ready(tab);
      },
      "another tab": async () => {
        const tab = await context.newPage();
        pages.push(tab);
        await tab.goto(address);
        await ready(tab);
      },
      "close a tab": () => (pages.length > 1 ? pages.splice(draw(pages.length), 1)[0]!.close() : undefined),
    };
    const names = Object.keys(faults);
    for (let step = 0; step < STEPS; step++) {
      run.write(1 + draw(40));
      const name = names[draw(names.length)]!;
      await test.step(name, async () => faults[name]!());
      run.write(1 + draw(40));
      // Now and then the page has time to come back before the next thing happens.
      if (draw(3) === 0) {
        proxy.streamsAre = "pass";
        proxy.cut();
        for (const tab of pages) await expect(line(tab, run.last)).toBeVisible({ timeout: 30_000 });
      }
    }
    proxy.streamsAre = "pass";
    proxy.cut();
    const output = await run.end();
    expect(output).toBe(run.lines.map((text) => `${text}\n`).join(""));
    for (const tab of pages) {
      await expect(theConsole(tab).locator(".console-check")).toHaveText("complete · verified", { timeout: 60_000 });
      await live(tab);
      expect(await allLines(tab)).toEqual(run.lines);
    }
  });
}
