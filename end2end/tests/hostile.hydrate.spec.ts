// The same texts on a page that is live: as they arrive, as one goes from page to page, and as they change.
import { expect, test } from "../fixtures";
import { HOSTILE, isOurs, shown } from "../support/hostile";
import { allLines, line, live } from "../support/pages";
import { ToldRun } from "../support/told";

const title = (text: string) => `${shown(text)} · Kontasks`;

test("what arrives on a live page stays a text, and a title is the text itself", async ({ signedIn: page, server }) => {
  test.slow();
  await page.goto("/tasks");
  await live(page);
  for (const text of HOSTILE) await server.api.post({ title: text, description: text, status: text, scope: text, tags: [text], context: { output: text, prompt: text } });
  await expect(page.locator(".task-card")).toHaveCount(HOSTILE.length);
  await isOurs(page, "the board");
  for (const text of HOSTILE.slice(0, 8)) {
    await page.locator(".task-card h3 a").getByText(text, { exact: true }).first().click();
    await expect(page).toHaveTitle(title(text));
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(text);
    await isOurs(page, text);
    await page.goBack();
    await expect(page).toHaveTitle("Board · Kontasks");
  }
  const { id } = await server.api.post({ title: "changing" });
  await page.goto(`/tasks/${id}`);
  await live(page);
  for (const text of HOSTILE) {
    await server.api.json("PATCH", `/api/v1/tasks/${id}`, { title: text, description: text, tags: [text], context: { output: text } });
    await expect(page).toHaveTitle(title(text));
    await isOurs(page, text);
  }
});

test("what a program writes stays a text as it arrives", async ({ signedIn: page, server }) => {
  const lines = HOSTILE.filter((text) => !text.includes("\u2028"));
  await page.goto("/");
  await live(page);
  const run = await ToldRun.start(server);
  await page.goto(`/runs/${run.id}`);
  await live(page);
  for (const text of lines) run.say(text);
  await expect(line(page, `line ${lines.at(-1)}`)).toBeVisible();
  expect(await allLines(page)).toEqual(lines.map((text) => `line ${text}`));
  await isOurs(page, "the console");
  await page.goto("/");
  await isOurs(page, "the dashboard");
  await run.end();
});
