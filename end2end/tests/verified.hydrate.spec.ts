// That a console shows what the run wrote is checked by the page itself, by the digest that the run's end brings.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "../fixtures";
import { allLines, arrived, line, live, loadedSnapshots, submit, theConsole } from "../support/pages";

const numbered = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
/** Writes nothing before the file `go` is there, so that the page sees all of it come. */
const gated = (prompt: string) => `until test -e go; do sleep 0.02; done; ${prompt}`;
const open = (server: { home: string }) => fs.writeFileSync(path.join(server.home, "go"), "");

test("a run that arrived whole is said to be verified, whatever bytes it wrote", async ({ signedIn: page, server }) => {
  await submit(page, gated("seq -f 'line %g' 1 20; printf 'no \\377text\\376\\n'"));
  await live(page);
  open(server);
  const check = theConsole(page).locator(".console-check");
  await expect(check).toHaveText("complete · verified");
  await page.reload();
  await expect(check, "the text alone does not say which bytes they were").toHaveText("complete");
});

test("a page that comes when all is over verifies what it was given", async ({ signedIn: page, server }) => {
  const { run, task } = await server.api.submit("seq -f 'line %g' 1 20");
  await server.api.ended(run.id);
  await page.goto(`/tasks/${task.id}`);
  await expect(theConsole(page).locator(".console-check")).toHaveText("complete · verified");
});

test("a stream that was altered on its way is found out, and the console shows what was really written", async ({ signedIn: page, server, reverseProxy: proxy }) => {
  proxy.streamsAre = (text) => text.replace(/line 7\b/, "line X");
  await page.goto(proxy.url);
  await page.getByLabel("Prompt").fill(gated("for i in $(seq 1 20); do echo line $i; sleep 0.1; done"));
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await arrived(page);
  const loaded = loadedSnapshots(page);
  await live(page);
  open(server);
  await expect(line(page, "line X")).toBeVisible();
  await expect(theConsole(page).locator(".console-check")).toHaveText("loaded anew, as this page had not got all of it");
  await expect(line(page, "line 7")).toBeVisible();
  expect(await allLines(page)).toEqual(numbered);
  expect(loaded, "once is enough").toHaveLength(1);
});
