// What a person does and sees on the pages: submit a prompt, read the console, watch the words about the connection.
import { expect, test, type ElementHandle, type Locator, type Page } from "@playwright/test";

/** Types the prompt on the dashboard and runs it; ends on the task's page. */
export async function submit(page: Page, prompt: string): Promise<{ task: string; run: string }> {
  await page.goto("/");
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  return arrived(page);
}

/** Waits for the page of a task that has just been opened. */
export async function arrived(page: Page): Promise<{ task: string; run: string }> {
  await page.waitForURL(/\/tasks\/[0-9a-f-]{36}/);
  const run = await theConsole(page).getAttribute("data-run");
  return { task: new URL(page.url()).pathname.split("/")[2] ?? "", run: run ?? "" };
}

export function theConsole(page: Page): Locator {
  return page.locator("section.console");
}

/** One line in view whose whole text is `text`. */
export function line(page: Page, text: string): Locator {
  return theConsole(page).locator("[data-row]").getByText(text, { exact: true });
}

/** Waits until the page says that the stream is open. */
export async function live(page: Page): Promise<void> {
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "live");
}

/**
 * Every line of the console by its number, gathered by scrolling from top to end, since only those in view are in the document.
 * Where a number shows different texts on the way, all are kept, so that a repetition cannot hide.
 */
export async function allLines(page: Page): Promise<string[]> {
  // Without JavaScript nothing is drawn later: the page is as it is.
  const scripted = test.info().project.use.javaScriptEnabled !== false;
  const found = await theConsole(page).evaluate((section, scripted) => {
    const lines: Record<number, string[]> = {};
    const look = () => {
      const seen = new Set<number>();
      for (const row of section.querySelectorAll("[data-row]")) {
        const number = Number(row.getAttribute("data-row"));
        const text = (row.textContent ?? "").replace(/\u00a0/g, " ").trimEnd();
        if (seen.has(number)) (lines[number] ??= []).push(`row ${number} stands twice`);
        seen.add(number);
        if (!(lines[number] ??= []).includes(text)) lines[number].push(text);
      }
    };
    const scroller = [section, ...section.querySelectorAll("*")].find(
      (element) => /auto|scroll/.test(getComputedStyle(element).overflowY) && element.scrollHeight > element.clientHeight + 1,
    );
    if (!scroller || !scripted) {
      look();
      return lines;
    }
    const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));
    const scrollOn = async (): Promise<typeof lines> => {
      await painted();
      look();
      const before = scroller.scrollTop;
      scroller.scrollTop = before + Math.max(40, scroller.clientHeight / 2);
      return scroller.scrollTop === before ? lines : scrollOn();
    };
    scroller.scrollTop = 0;
    return scrollOn();
  }, scripted);
  const numbers = Object.keys(found).map(Number);
  const last = Math.max(-1, ...numbers);
  const lines = Array.from({ length: last + 1 }, (_, number) => found[number]?.join(" ≠ ") ?? `(line ${number} is missing)`);
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

/**
 * Records from now on each time that the page loads a console's text instead of being told it by the stream: that mends what the
 * stream did not bring, and would hide it.
 */
export function loadedSnapshots(page: Page): string[] {
  const loaded: string[] = [];
  page.on("request", (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (searchParams.get("request[page]") === "console" || pathname.endsWith("/output")) loaded.push(pathname);
  });
  return loaded;
}

/** Records from now on each change of what the page says about the connection, with the page's clock. */
export async function watchConnection(page: Page): Promise<() => Promise<{ at: number; state: string; words: string }[]>> {
  await page.evaluate(() => {
    const seen: { at: number; state: string; words: string }[] = [];
    const look = () => {
      const element = document.querySelector("[data-connection]");
      const state = element?.getAttribute("data-connection") ?? "";
      const words = element?.textContent?.trim() ?? "";
      const last = seen.at(-1);
      if (last?.state !== state || last?.words !== words) seen.push({ at: Date.now(), state, words });
    };
    look();
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    Object.assign(window, { connectionStates: seen });
  });
  return () => page.evaluate(() => (window as unknown as { connectionStates: { at: number; state: string; words: string }[] }).connectionStates);
}

/** The element that scrolls in the console. */
export async function scroller(page: Page): Promise<ElementHandle<HTMLElement>> {
  const handle = await theConsole(page).evaluateHandle((section) => {
    const found = [section, ...section.querySelectorAll("*")].find((element) => /auto|scroll/.test(getComputedStyle(element).overflowY));
    if (!found) throw new Error("nothing in the console scrolls");
    return found;
  });
  return handle.asElement() as ElementHandle<HTMLElement>;
}
