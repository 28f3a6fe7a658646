// Whatever a person or a program writes into any field stays a text, on every page. Without JavaScript the server has written all of it;
// with JavaScript the page has taken it over. tests/hostile_documents.rs compares the documents element for element.
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures";
import { formToken } from "../support/forms";
import { HOSTILE, isOurs, shown } from "../support/hostile";
import { arrived, live } from "../support/pages";
import type { Server } from "../support/server";

/** Goes there and waits until the page has been taken over: one that is left before has loaded only half of itself. */
async function visit(page: Page, path: string): Promise<void> {
  await page.goto(path);
  if (test.info().project.use.javaScriptEnabled !== false) await live(page);
}

/** Every so manieth text, where all of them would only cost time: tests/hostile_documents.rs puts each one into everything. */
const some = (step: number) => HOSTILE.filter((_, index) => index % step === 0);

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const title = (text: string) => `${shown(text)} · Kontasks`;

/** A runner whose command and folder say all of it; the shell stays the default. */
const RUNNERS = ["[[runner]]", 'name = "shell"', "[[runner]]", 'name = "odd"', `command = ${JSON.stringify(["/bin/echo", "{prompt}", ...HOSTILE])}`, `folder = ${JSON.stringify(`/${HOSTILE.join("/")}`)}`];

const taskOf = (text: string) => ({
  ...{ title: text, description: text, type: text, status: text, scope: text, tags: [text], createdBy: text, targetUser: text, [text]: text },
  context: { output: text, prompt: text, requestId: text, more: { [text]: [text] }, choices: [{ label: text, value: text, [text]: text }] },
});

/** Runs whose prompts are the texts, as comments, and which print them. */
async function runs(server: Server, texts: string[]): Promise<{ text: string; run: string; task: string }[]> {
  const made = [];
  for (const text of texts) {
    const { run, task } = await server.api.submit(`#${text}\ncat <<'E O F'\n${text}\nE O F`, { scope: text, tags: [text], requestId: text });
    made.push({ text, run: run.id, task: task.id });
  }
  for (const { run } of made) expect((await server.api.ended(run)).status).toBe("succeeded");
  return made;
}

test("tasks", async ({ signedIn: page, server }) => {
  test.slow();
  const ids = [];
  for (const text of HOSTILE) ids.push((await server.api.post(taskOf(text))).id);
  for (const path of ["/", "/tasks"]) {
    await visit(page, path);
    await expect(page.locator(".task-card").first()).toBeVisible();
    await isOurs(page, path);
  }
  for (const [index, text] of HOSTILE.entries()) {
    await visit(page, `/tasks/${ids[index]}`);
    await expect(page, text).toHaveTitle(title(text));
    expect(await page.locator("h1").textContent()).toBe(shown(text));
    await isOurs(page, text);
  }
});

test("runs, as they are shown on the board and on their own", async ({ signedIn: page, server }) => {
  test.slow();
  const made = await runs(server, HOSTILE);
  for (const path of ["/", "/tasks"]) {
    await visit(page, path);
    await expect(page.locator(".task-card").first()).toBeVisible();
    await isOurs(page, path);
  }
  for (const { text, run, task } of made) {
    await visit(page, `/runs/${run}`);
    await expect(page, text).toHaveTitle(title(`#${text}`));
    expect((await page.locator("[data-row]").first().textContent())?.replace("\u2028", ""), text).toBe(text.replace("\u2028", ""));
    await isOurs(page, text);
    if (!some(5).includes(text)) continue;
    await visit(page, `/tasks/${task}`);
    await isOurs(page, text);
  }
});

test("addresses: filters, where to go after the sign-in, and pages that are not there", async ({ signedIn: page, browser, server, expectedErrors }) => {
  test.slow();
  expectedErrors.push(/status of 40[14]/);
  const context = await browser.newContext({ ...test.info().project.use, baseURL: server.url });
  const stranger = await context.newPage();
  for (const text of HOSTILE) {
    const part = encodeURIComponent(text);
    if (some(2).includes(text)) {
      await visit(page, `/tasks?status=${part}&scope=${part}&tag=${part}&type=${part}&text=${part}`);
      await expect(page.getByLabel("Search")).toHaveValue(text);
      await expect(page.getByLabel("Status")).toHaveValue(text);
      await isOurs(page, text);
    }
    if (some(5).includes(text)) {
      await page.goto(`/nonsense/${part}?${part}=${part}&notice=${part}`);
      await isOurs(page, text);
    }
    await stranger.goto(`/sign-in?next=%2F${part}&token=${part}`);
    await isOurs(stranger, text);
  }
  for (const path of ["/tasks", "/runs", "/settings/sessions"]) {
    const part = encodeURIComponent(HOSTILE.join(""));
    await page.goto(`${path}/${part}`);
    await isOurs(page, path);
    await stranger.goto(`${path}/${part}?text=${part}`);
    await isOurs(stranger, path);
  }
  await context.close();
});

test.describe("settings", () => {
  test.use({ config: RUNNERS.join("\n") });

  test("names of tokens, browsers, and runners with their commands", async ({ signedIn: page, server, expectedErrors }) => {
    test.slow();
    expectedErrors.push(/status of 422/);
    for (const text of HOSTILE) {
      await server.api.call("POST", "/settings/tokens", { body: `name=${encodeURIComponent(text)}`, headers: FORM });
      if (/[^ -~]/.test(text)) continue;
      const { stdout } = await server.command("sign-in-link", "--data", server.data);
      const body = `token=${encodeURIComponent(stdout.trim().split("token=")[1] ?? "")}`;
      const entered = await server.api.call("POST", "/sign-in", { body, token: null, headers: { ...FORM, "user-agent": text } });
      expect(entered.status).toBe(303);
    }
    await page.goto(`/settings?done=${encodeURIComponent(HOSTILE.join(""))}`);
    const rows = page.locator(".settings-list").nth(1).getByRole("listitem");
    await expect(rows).toHaveCount(HOSTILE.length + 1);
    await isOurs(page, "/settings");
    for (const text of ["</textarea><x-hostile>", '"><img x-hostile src=x onerror=hostile=1>', "</title><x-hostile>"]) {
      await page.getByLabel("Name of a new token").fill(text);
      await page.getByRole("button", { name: "Make token" }).click();
      await expect(page.getByRole("alert")).toContainText("taken by another token");
      await expect(page.getByLabel("Name of a new token")).toHaveValue(text);
      await isOurs(page, text);
      await page.getByLabel("Name of a new token").fill(`${text}2`);
      await page.getByRole("button", { name: "Make token" }).click();
      await expect(page.locator("[data-secret]")).toBeVisible();
      await isOurs(page, text);
    }
  });
});

test("what was typed and could not be taken is shown again as it was", async ({ signedIn: page, expectedErrors }) => {
  test.slow();
  expectedErrors.push(/status of 422/);
  for (const text of some(3)) {
    await visit(page, "/");
    await page.getByLabel("Prompt").fill(`\n${text}`);
    await page.getByLabel("Scope").fill(text);
    await page.getByLabel("Tags").fill(`${text} ${"x".repeat(70)}`);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect(page.getByRole("alert")).toContainText("tags");
    await expect(page.getByLabel("Prompt")).toHaveValue(`\n${text}`);
    await expect(page.getByLabel("Scope")).toHaveValue(text);
    await isOurs(page, text);
  }
});

test("a form that content has brought into a page does nothing", async ({ signedIn: page, server, context, expectedErrors }) => {
  expectedErrors.push(/status of (403|415)/);
  const { id } = await server.api.post({ title: "A report" });
  const bring = (action: string, fields: Record<string, string>) =>
    page.evaluate(
      ([action, fields]) => {
        const form = Object.assign(document.createElement("form"), { action, method: "post" });
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
        document.body.append(form);
        form.submit();
      },
      [action, fields] as const,
    );
  for (const [action, fields] of [
    ["/actions/submit-prompt", { prompt: "touch </textarea>CLICKED" }],
    ["/settings/tokens", { name: "forged" }],
    ["/settings/other-sessions/sign-out", {}],
    ["/sign-out", {}],
  ] as [string, Record<string, string>][]) {
    await visit(page, `/tasks/${id}`);
    await bring(action, fields);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Nothing was done");
    for (const text of Object.values(fields)) await expect(page.getByRole("textbox")).toHaveValue(text);
    await isOurs(page, action);
    await page.getByRole("link", { name: "Load the page anew" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("A report");
  }
  expect(await server.api.tasks()).toHaveLength(1);
  await visit(page, `/tasks/${id}`);
  await bring(`/api/v1/tasks/${id}/answer`, { value: "yes" });
  await expect(page.locator("body")).toContainText("application/json");
  const settings = await context.request.get(`${server.url}/settings`);
  expect(await settings.text()).not.toContain("forged");
  await formToken(context.request, server.url);
});

test("a page that is older than the sign-in loses nothing", async ({ signedIn: page, server, context, expectedErrors, javaScriptEnabled }) => {
  expectedErrors.push(/status of 403/);
  await visit(page, "/");
  const { stdout } = await server.command("sign-in-link", "--data", server.data);
  const token = stdout.trim().split("token=")[1] ?? "";
  await context.clearCookies();
  await context.request.post(`${server.url}/sign-in`, { form: { token }, headers: { origin: server.url }, maxRedirects: 0 });
  await page.getByLabel("Prompt").fill("echo typed for long");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  if (javaScriptEnabled) {
    await expect(page.getByRole("alert")).toContainText("reload the page");
    await expect(page.getByLabel("Prompt")).toHaveValue("echo typed for long");
    await page.reload();
    await expect(page.getByLabel("Prompt")).toHaveValue("echo typed for long");
  } else {
    await expect(page.getByRole("textbox").first()).toHaveValue("echo typed for long");
    await page.getByRole("link", { name: "Load the page anew" }).click();
    await page.getByLabel("Prompt").fill("echo typed for long");
  }
  expect(await server.api.tasks()).toHaveLength(0);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await server.api.ended((await arrived(page)).run);
});
