// Characters that are not seen, on a page that is live: it says what it says after a reload, and shows each of them.
import { expect, test } from "../fixtures";
import { live } from "../support/pages";

const HIDDEN = /[\u00ad\u061c\u115f\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e01ef}]/u;
const ODD = "rm \u202etxt\u2066\u200b.sh \u{e0041}";
const SHOWN = "rm ‹U+202E›txt‹U+2066›‹U+200B›.sh ‹U+E0041›";

test("what a person approves is what is shown, live and reloaded", async ({ signedIn: page, server }) => {
  const task = {
    title: `${ODD} title 👩\u200d💻`,
    type: "approval",
    description: `${ODD} description`,
    scope: `${ODD} scope`,
    tags: [`${ODD} tag`],
    context: { output: `<b title="${ODD}">${ODD}&rlm;</b>`, prompt: `${ODD} prompt`, choices: [{ label: `${ODD} yes`, value: `${ODD} value` }] },
  };
  await page.goto("/");
  await live(page);
  const { id } = await server.api.post(task);
  const card = page.getByRole("link", { name: `${SHOWN} title 👩\u200d💻` });
  await expect(card.first()).toBeVisible();
  await expect(page.getByRole("button", { name: `${SHOWN} yes` })).toBeVisible();
  const seen = async () => page.evaluate(() => `${document.title}\n${document.querySelector("main")?.innerText ?? ""}`);
  const dashboard = await seen();
  expect(dashboard).not.toMatch(HIDDEN);
  await page.reload();
  await live(page);
  await expect(card.first()).toBeVisible();
  expect(await seen()).toBe(dashboard);

  await card.first().click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`${SHOWN} title 👩\u200d💻`);
  await live(page);
  await server.api.json("PATCH", `/api/v1/tasks/${id}`, { title: `${ODD} changed`, context: { output: `<i>${ODD} anew</i>` } });
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`${SHOWN} changed`);
  await expect(page.locator("[data-rich-output]")).toHaveText(`${SHOWN} anew`);
  await expect(page).toHaveTitle(new RegExp("‹U\\+202E›"));
  await page.locator("details summary").click();
  const changed = await seen();
  expect(changed).not.toMatch(HIDDEN);
  await page.reload();
  await live(page);
  await page.locator("details summary").click();
  expect(await seen()).toBe(changed);
  await page.getByRole("button", { name: `${SHOWN} yes` }).click();
  await expect(page.getByText(`Answered: ${SHOWN} yes`)).toBeVisible();
  const answered = await server.api.json<{ answer: { value: string } }>("GET", `/api/v1/tasks/${id}`);
  expect(answered.answer.value).toBe(`${ODD} value`);
});

test("a console draws each line in its cells, and the plain text has all of it", async ({ signedIn: page, server }) => {
  const { run, task } = await server.api.submit(`printf '%s\\n' '${ODD}|' 'soft\u00adly|' 'می\u200cخواهم 👩\u200d💻|'`);
  await server.api.ended(run.id);
  await page.goto(`/tasks/${task.id}`);
  await live(page);
  const rows = page.locator("section.console [data-row]");
  await expect(rows).toHaveText(["rm txt.sh |", "soft-ly|", "می\u200cخواهم 👩\u200d💻|"]);
  expect(await server.api.output(run.id)).toContain(ODD);
  await page.reload();
  await expect(rows).toHaveText(["rm txt.sh |", "soft-ly|", "می\u200cخواهم 👩\u200d💻|"]);
});
