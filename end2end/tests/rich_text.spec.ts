// The hostile corpus of rich output in Chromium: each text is posted, its page is opened, and nothing of it runs, asks, or is an
// element that is not let through. `tests/hostile_rich_text.rs` reads the same texts with a parser.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "../fixtures";

interface Text {
  name: string;
  html: string;
}

const CORPUS = JSON.parse(readFileSync(path.join(__dirname, "../../tests/fixtures/hostile/rich_text.json"), "utf8")) as Text[];

const ELEMENTS =
  "a abbr acronym article aside b bdi blockquote br caption center cite code col colgroup data dd del details dfn div dl dt em figcaption " +
  "figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li mark nav ol p pre q rp rt rtc ruby s samp section small span strike " +
  "strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr";
const ATTRIBUTES =
  "align alt cite colspan datetime dir headers height href hreflang lang open rel rowspan scope size span src start style summary target " +
  "title type valign width";

test("nothing of the corpus comes to life", async ({ signedIn: page, server }) => {
  test.setTimeout(240_000);
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith("data:")) foreign.push(request.url());
  });
  page.on("dialog", (dialog) => foreign.push(`a dialog: ${dialog.message()}`));
  for (const { name, html } of CORPUS) {
    const { id } = await server.api.post({ title: name, context: { output: html } });
    await page.goto(`/tasks/${id}`);
    await expect(page.getByRole("heading", { level: 1 }), name).toHaveText(name);
    const found = await page.evaluate(
      ([elements, attributes]) => {
        const [known, named] = [new Set(elements?.split(" ")), new Set(attributes?.split(" "))];
        const odd: string[] = [];
        for (const element of document.querySelectorAll("[data-rich-output] *")) {
          if (!known.has(element.localName) || element.namespaceURI !== "http://www.w3.org/1999/xhtml") odd.push(element.localName);
          for (const { name, value } of element.attributes) {
            if (!named.has(name)) odd.push(`${element.localName} ${name}`);
            if (name === "href" && !/^(https?|mailto):$/.test(new URL(value, "https://x.invalid").protocol)) odd.push(value);
          }
        }
        const text = document.querySelector("[data-rich-output]")?.textContent ?? "";
        if (/[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/.test(text)) odd.push("something hidden");
        if ("hostile" in window) odd.push("a script has run");
        return odd;
      },
      [ELEMENTS, ATTRIBUTES],
    );
    expect(found, name).toEqual([]);
    expect(foreign, name).toEqual([]);
    expect(new URL(page.url()).pathname, name).toBe(`/tasks/${id}`);
  }
});

test("what is too much for a page is shown whole, as text", async ({ signedIn: page, server }) => {
  const output = "<ul><li>".repeat(2_000) + "the end";
  const { id } = await server.api.post({ title: "Deep", context: { output } });
  await page.goto(`/tasks/${id}`);
  const box = page.locator("[data-rich-output]");
  await expect(box.getByText("Shown as text, since as HTML it nests its elements too deep.")).toBeVisible();
  expect(await box.locator("pre").textContent()).toBe(output);
  expect(await server.api.json<{ context: { output: string } }>("GET", `/api/v1/tasks/${id}`)).toMatchObject({ context: { output } });
});
