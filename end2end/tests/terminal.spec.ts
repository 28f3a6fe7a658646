// Real tools with progress bars and colours, and a script that draws like one: the console shows what a terminal shows.
import fs from "node:fs";
import path from "node:path";
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures";
import { allLines, submit, theConsole } from "../support/pages";
import type { Written } from "../support/api";
import type { Server } from "../support/server";
import { inTerminal } from "../support/terminal";

/** Runs the prompt on the page and waits for its end there; returns exactly what it wrote, and with the sizes that its terminal got. */
async function runToEnd(
  page: Page,
  server: Server,
  prompt: string,
  javaScriptEnabled: boolean | undefined,
): Promise<{ output: string; written: Written[] }> {
  const { run } = await submit(page, prompt);
  const ended = await server.api.ended(run);
  const output = await server.api.output(run);
  expect(ended.status, output).toBe("succeeded");
  if (!javaScriptEnabled) await page.reload();
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  return { output, written: await server.api.written(run) };
}

/** The console and an independent terminal agree in every line, and in which pieces are coloured. */
async function expectAsInTerminal(page: Page, written: Written[]) {
  const shown = await inTerminal(written);
  expect(await allLines(page)).toEqual(shown.lines);
  expect(shown.coloured.length, "coloured pieces in the reference").toBeGreaterThan(0);
  for (const { line, text } of shown.coloured.slice(0, 20)) {
    const row = theConsole(page).locator(`[data-row="${line}"]`);
    if ((await row.count()) === 0) continue; // not in view
    const piece = row.locator("span").filter({ hasText: text }).last();
    const plain = await theConsole(page).evaluate((section) => getComputedStyle(section.querySelector("[data-row]")!).color);
    expect(await piece.evaluate((span) => getComputedStyle(span).color), `colour of ${text}`).not.toBe(plain);
  }
  return shown;
}

test("cargo building local crates", async ({ signedIn: page, server, javaScriptEnabled }) => {
  // Ten small crates in a row, so that the bar has something to show for longer than cargo's half second of patience.
  const names = Array.from({ length: 10 }, (_, index) => `part${index}`);
  for (const [index, name] of names.entries()) {
    const folder = path.join(server.home, "work", name);
    fs.mkdirSync(path.join(folder, "src"), { recursive: true });
    const dependency = index > 0 ? `\n[dependencies]\n${names[index - 1]} = { path = "../${names[index - 1]}" }\n` : "";
    fs.writeFileSync(path.join(folder, "Cargo.toml"), `[package]\nname = "${name}"\nversion = "0.1.0"\nedition = "2021"\n${dependency}`);
    fs.writeFileSync(path.join(folder, "src/lib.rs"), index === 9 ? "fn unused() {}\n" : "");
  }
  const { output, written } = await runToEnd(page, server, "cd work/part9 && cargo build --offline", javaScriptEnabled);
  // It did draw a bar, over and over in the same place.
  expect(output.match(/Building\S* \[[=> ]*\] \d+\/10[^\n]*?\r/g)?.length ?? 0, output).toBeGreaterThan(1);
  const { lines } = await expectAsInTerminal(page, written);
  expect(lines.filter((text) => text.includes("Building ["))).toEqual([]);
  expect(lines.filter((text) => /^ {3}Compiling part\d/.test(text))).toHaveLength(10);
  expect(lines.at(-1)).toMatch(/^ {4}Finished/);
  expect(lines.join("\n")).toContain("warning: function `unused` is never used");
});

test("npm installing a local package", async ({ signedIn: page, server, javaScriptEnabled }) => {
  const folder = path.join(server.home, "work");
  fs.mkdirSync(path.join(folder, "tool"), { recursive: true });
  fs.writeFileSync(path.join(folder, "tool/package.json"), JSON.stringify({ name: "tool", version: "1.0.0", engines: { node: ">=999" }, scripts: { postinstall: "sleep 1" } }));
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "app", version: "1.0.0", private: true }));
  const prompt = "cd work && npm install --offline --no-audit --no-fund --no-update-notifier ./tool && npm ls";
  const { output, written } = await runToEnd(page, server, prompt, javaScriptEnabled);
  // Its spinner was drawn and erased in place.
  expect(output).toMatch(/\x1b\[\d*[GK]/);
  const { lines } = await expectAsInTerminal(page, written);
  expect(lines.join("\n")).toMatch(/npm warn EBADENGINE[^]*added 1 package[^]*tool@1.0.0 -> .\/tool/i);
  expect(lines.join("\n")).not.toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/);
});

test("bars, erasing, backspaces, tabs and every kind of colour", async ({ signedIn: page, server, javaScriptEnabled }) => {
  const script = String.raw`
printf 'start\n'
for p in 10 45 100; do printf '\r\033[K\033[32m%3d%%\033[0m downloaded' $p; sleep 0.05; done; printf '\n'
printf 'longer text than the next\rshort\n'
printf 'longer text than the next\r\033[Kshort\n'
printf 'abc\b\bX\n'
printf 'a\tb\tc\n'
printf '\033[1;31mbold red\033[0m \033[38;5;208morange\033[0m \033[38;2;10;200;120mtrue\033[0m \033[7minverse\033[0m \033[3;4mitalic under\033[0m\n'
printf '\033[33;44myellow on blue\033[0m \033[34;47mblue on white\033[0m\n'
printf '\033]0;a title\007after a title\n'
printf '\033]8;;https://example.org\033\\link\033]8;;\033\\\n'
printf 'wide: 日本 🚀 é\n'
printf 'erase to the left\033[1K|\n'
printf 'column\033[3Gl\n'
printf '<b>not html</b> & "quotes"\n'
printf 'no newline at the end'
`;
  fs.writeFileSync(path.join(server.home, "draw.sh"), script);
  const { output, written } = await runToEnd(page, server, "sh draw.sh", javaScriptEnabled);
  const { lines } = await expectAsInTerminal(page, written);
  // The reference itself, checked by hand.
  expect(lines.slice(0, 6)).toEqual(["start", "100% downloaded", "shortr text than the next", "short", "aXc", "a       b       c"]);
  expect(lines.at(-1)).toBe("no newline at the end");

  const style = (text: string, property: string) =>
    theConsole(page).locator("[data-row] span", { hasText: text }).last().evaluate((span, name) => getComputedStyle(span).getPropertyValue(name), property);
  expect(await style("true", "color")).toBe("rgb(10, 200, 120)");
  expect(await style("orange", "color")).toBe("rgb(255, 135, 0)");
  // A part with a background of its own is read by that, whatever the page is.
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await style("yellow on blue", "color")).toBe("rgb(210, 153, 34)");
    expect(await style("blue on white", "color")).toBe("rgb(8, 96, 199)");
  }
  expect(Number(await style("bold red", "font-weight"))).toBeGreaterThanOrEqual(600);
  expect(await style("italic under", "font-style")).toBe("italic");
  expect(await style("italic under", "text-decoration-line")).toBe("underline");
  expect(await style("inverse", "background-color")).not.toBe("rgba(0, 0, 0, 0)");
});

test("a terminal that gets other sizes while its program draws", async ({ signedIn: page, server }) => {
  // A line that wraps, and a letter a step up from its end: which row that is in depends on the width.
  const draw = String.raw`printf '%s\r\n\033[AX\r\n' "$(printf '%0150d' 0)"`;
  const sizes = [
    [100, 20],
    [40, 10],
    [60, 12],
  ] as const;
  // The program goes on when its terminal has the next size; the last one is followed by nothing.
  const steps = sizes.map(([columns, rows], at) => `${draw}; echo drawn ${at}; until [ "$(stty size)" = "${rows} ${columns}" ]; do sleep 0.01; done`);
  const { run } = await server.api.submit(steps.join("; "));
  for (const [at, [columns, rows]] of sizes.entries()) {
    await expect.poll(() => server.api.output(run.id)).toContain(`drawn ${at}`);
    const reply = await server.api.call("POST", `/api/v1/runs/${run.id}/size`, { body: { columns, rows } });
    expect(reply.status).toBe(202);
  }
  await server.api.ended(run.id);
  const written = await server.api.written(run.id);
  expect(written.filter((step) => "columns" in step).map(({ columns, rows }) => [columns, rows])).toEqual(sizes);
  const { lines } = await inTerminal(written);
  expect(new Set(lines.map((text) => text.indexOf("X"))), "another row at each size").toEqual(new Set([-1, 120, 100]));
  await page.goto(`/runs/${run.id}`);
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(lines);
});

test("bytes that are not UTF-8 are shown as such and kept exactly", async ({ signedIn: page, server, javaScriptEnabled }) => {
  const { run } = await submit(page, String.raw`printf 'a\377b\303\n\303\244\n'`);
  await server.api.ended(run);
  if (!javaScriptEnabled) await page.reload();
  await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
  expect(await allLines(page)).toEqual(["a\ufffdb\ufffd", "ä"]);
  const exact = await fetch(`${server.url}/api/v1/runs/${run}/output`, { headers: { authorization: `Bearer ${server.token}` } });
  expect(Buffer.from(await exact.arrayBuffer()).toString("hex")).toBe("61ff62c30ac3a40a");
});
