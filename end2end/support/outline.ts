// What a document says, as lines that can be compared: each text by the element that it stands in, with the attributes that carry a
// meaning. Left out is what is the viewer's own: the connection, typed text, request ids, scroll position, and how a console was
// come by ("loaded anew").
import type { Page } from "@playwright/test";
import { expect } from "../fixtures";

/** The page's title and everything that is shown in it, a line each. */
export async function outline(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const lines = [`title: ${document.title}`];
    const meaningful = ["data-status", "data-asks", "data-kind", "href", "datetime", "aria-current", "data-variant", "disabled", "open", "role", "data-run"];
    const skipped = "script, style, noscript, template, link, .connection, .console-loading, .console-latest, .console-before, .console-caught-up, .console-probe, [hidden]";
    const walk = (element: Element, depth: number) => {
      if (element.matches(skipped)) return;
      const attributes = meaningful.flatMap((name) => (element.hasAttribute(name) ? [`${name}=${element.getAttribute(name)}`] : []));
      // A button is named by what it sends as well.
      if (element instanceof HTMLButtonElement && element.value) attributes.push(`value=${element.value}`);
      if (element instanceof HTMLOptionElement && element.selected) attributes.push("selected");
      const own = [...element.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.textContent : "")).join("");
      const text = own.replace(/\u00a0/g, " ").trimEnd();
      lines.push(`${"  ".repeat(depth)}${[element.tagName.toLowerCase(), ...attributes].join(" ")}: ${text}`);
      for (const child of element.children) walk(child, depth + 1);
    };
    walk(document.body, 0);
    return lines;
  });
}

/** Waits until a page's own code has taken over and the page has heard from its stream; a page that is not there has none. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", /live|closed|idle/, { timeout: 30_000 });
  await expect(page.locator("[aria-busy]")).toHaveCount(0);
}

/** Waits until the open page says what a freshly loaded one of the same address says. */
export async function expectLikeReloaded(page: Page, name = page.url()): Promise<void> {
  const { pathname, search } = new URL(page.url());
  const fresh = await page.context().newPage();
  try {
    await fresh.goto(`${pathname}${search}`);
    await settled(fresh);
    const differences = async () => {
      const [now, then] = [await outline(page), await outline(fresh)];
      return { "only on the live page": without(now, then), "only on a reloaded one": without(then, now), "in the same order": same(now, then) };
    };
    await expect.poll(differences, { message: name, timeout: 20_000 }).toEqual({ "only on the live page": [], "only on a reloaded one": [], "in the same order": true });
  } finally {
    await fresh.close();
  }
}

function same(one: string[], other: string[]): boolean {
  return one.join("\n") === other.join("\n");
}

/** The lines of one list that another does not have, as often as they are there. */
function without(lines: string[], others: string[]): string[] {
  const left = new Map<string, number>();
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
