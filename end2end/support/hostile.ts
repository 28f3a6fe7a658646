// Texts that mean something to a parser of HTML, and what shows that one of them was taken for markup. The corpus is the one of
// tests/hostile_documents.rs: each text is one line and fits into every field.
import fs from "node:fs";
import path from "node:path";
import { expect, type Page } from "@playwright/test";

export const HOSTILE = JSON.parse(fs.readFileSync(path.resolve(__dirname, "../../tests/fixtures/hostile/documents.json"), "utf8")) as string[];

/** Finds no element, attribute, form or script that is not ours; what sanitised output may have is checked elsewhere. */
export async function isOurs(page: Page, what: string): Promise<void> {
  const faults = await page.evaluate(() => {
    const ours = [/^\/actions\/[a-z-]+$/, /^\/settings\/[a-z0-9/-]+$/, /^\/tasks$/, /^\/sign-in$/];
    const found: string[] = [];
    for (const element of document.querySelectorAll("*")) {
      const fault = (words: string) => found.push(`${words}: ${element.outerHTML.slice(0, 200)}`);
      const tag = element.localName;
      if (["x-hostile", "base", "iframe", "object", "embed", "plaintext", "template", "style", "math"].includes(tag)) fault("an element");
      for (const { name, value } of element.attributes) {
        if (/^(on.*|x-hostile.*|formaction|srcdoc|http-equiv)$/.test(name)) fault("an attribute");
        if (["href", "src"].includes(name) && /^\s*(javascript:|\/\/)/i.test(value)) fault("a way elsewhere");
      }
      if (tag === "form" && !ours.some((action) => action.test(element.getAttribute("action") ?? ""))) fault("a form");
    }
    if ("hostile" in window) found.push("a script ran");
    for (const parts of ["head", "body", "main", "h1"]) {
      if (document.querySelectorAll(parts).length !== 1) found.push(`${document.querySelectorAll(parts).length} × ${parts}`);
    }
    return found;
  });
  expect(faults, what).toEqual([]);
}

/** The text as a page shows it: a character that cannot be seen is named. There is one kind among these texts. */
export const shown = (text: string) => text.replaceAll("\u2028", "‹U+2028›");
