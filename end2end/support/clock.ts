// A page's clock in the hands of a test. Playwright's numbers its timers beyond what wasm takes for a number, so that the page could take
// none of them away again: here they are numbered from 1, and those that are set are known.
import type { Page } from "@playwright/test";

/** From the next document on, time is what `page.clock` says. */
export async function takeClock(page: Page): Promise<void> {
  await page.clock.install();
  await page.addInitScript(() => {
    const timers = new Map<number, number>();
    let last = 0;
    for (const kind of ["Timeout", "Interval"] as const) {
      const set = window[`set${kind}`] as (callback: () => void, delay?: number) => number;
      const clear = window[`clear${kind}`];
      Object.assign(window, {
        [`set${kind}`]: (callback: () => void, delay?: number) => {
          const number = ++last;
          const fire = () => {
            if (kind === "Timeout") timers.delete(number);
            callback();
          };
          timers.set(number, set(fire, delay));
          return number;
        },
        [`clear${kind}`]: (number: number) => {
          clear(timers.get(number));
          timers.delete(number);
        },
      });
    }
    Object.assign(window, { timers });
  });
}

/** Time stands still, but where `page.clock.fastForward` says so, until `page.clock.resume`. */
export async function stopClock(page: Page): Promise<void> {
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000));
}

/** How many timers the page has set and not taken away. */
export async function timers(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as { timers: Map<number, number> }).timers.size);
}
