// The whole way of a prompt, with and without JavaScript: the same forms, links and words.
import { expect, test } from "../fixtures";
import { arrived, line, live, submit, theConsole } from "../support/pages";

test("submit and read", async ({ signedIn: page, server, javaScriptEnabled }) => {
  const { run } = await submit(page, "echo hello from a prompt; seq -f 'line %g' 1 20");
  await server.api.ended(run);
  if (!javaScriptEnabled) await page.reload();
  const console = theConsole(page);
  await expect(console).toHaveAttribute("data-status", "succeeded");
  await expect(line(page, "hello from a prompt")).toBeVisible();
  await expect(line(page, "line 20")).toHaveCount(1);
  await expect(console).toContainText("succeeded");
  await expect(console).toContainText("21 lines");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("echo hello from a prompt");
  // (Text inside of noscript is nothing to getByText.)
  const off = page.locator("noscript p", { hasText: "Live updates are off" });
  if (javaScriptEnabled) await expect(off).toHaveCount(0);
  else await expect(off).toBeVisible();

  await page.goto(`/runs/${run}`);
  await expect(line(page, "hello from a prompt")).toBeVisible();
  await page.goto("/");
  await expect(page.getByRole("link", { name: /echo hello from a prompt/ }).first()).toBeVisible();
  await page.goto("/tasks");
  await page.getByRole("link", { name: /echo hello from a prompt/ }).first().click();
  await expect(line(page, "hello from a prompt")).toBeVisible();
  await page.getByRole("link", { name: "Back to Kontasks" }).click();
  await expect(page.getByLabel("Prompt")).toBeVisible();
});

test("a run's scope and tags, and the runner that was chosen, are kept", async ({ signedIn: page, server }) => {
  await page.goto("/");
  await page.getByLabel("Prompt").fill("true");
  await page.getByLabel("Runner").selectOption("shell");
  await page.getByLabel("Scope").fill("garden");
  await page.getByLabel("Tags").fill("green, wet");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/\/tasks\/[0-9a-f-]{36}/);
  const [task] = await server.api.tasks();
  expect(task).toMatchObject({ scope: "garden", tags: ["green", "wet"] });
});

test("cancel", async ({ signedIn: page, server, javaScriptEnabled }) => {
  const { run, task } = await submit(page, "echo begun; sleep 1000 & sleep 1000");
  await expect.poll(() => server.api.output(run)).toContain("begun");
  if (!javaScriptEnabled) await page.reload();
  await page.getByRole("button", { name: "Cancel" }).click();
  const ended = await server.api.ended(run);
  expect(ended.status).toBe("cancelled");
  if (!javaScriptEnabled) await page.goto(`/tasks/${task}`);
  const console = theConsole(page);
  await expect(console).toHaveAttribute("data-status", "cancelled");
  await expect(console).toContainText("cancelled");
  await expect(line(page, "begun")).toBeVisible();
  await expect(page.getByRole("button", { name: "Cancel" })).toHaveCount(0);
});

test("a double click makes one run", async ({ signedIn: page, server, javaScriptEnabled }) => {
  await page.goto("/");
  if (javaScriptEnabled) await live(page);
  await page.getByLabel("Prompt").fill("echo once");
  await page.getByRole("button", { name: "Run", exact: true }).dblclick();
  // Not waitForURL: without a script the second click ends the first one's navigation, which is no failure.
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]{36}/);
  await expect(theConsole(page)).toBeVisible();
  expect(await server.api.tasks()).toHaveLength(1);
});

test("an empty board offers three prompts, each a click away", async ({ signedIn: page, server }) => {
  await page.goto("/");
  const examples = page.locator("main form").filter({ hasNot: page.getByLabel("Prompt") }).getByRole("button");
  await expect(examples).toHaveCount(3);
  await examples.first().click();
  const { run } = await arrived(page);
  expect((await server.api.ended(run)).status).toBe("succeeded");
});

test.describe("with a runner whose program is not there", () => {
  test.use({ config: '[[runner]]\nname = "shell"\ncommand = ["/bin/sh", "-c", "{prompt}"]\n\n[[runner]]\nname = "ghost"\ncommand = ["/no/such/program", "{prompt}"]\n' });

  test("success, exit code, signal and no start at all are told apart in words", async ({ signedIn: page, server }) => {
    const outcomes = [
      { prompt: "true", runner: "shell", status: "succeeded", words: /succeeded/ },
      { prompt: "exit 3", runner: "shell", status: "failed", words: /failed with exit code 3/ },
      { prompt: "kill -KILL $$", runner: "shell", status: "failed", words: /ended by SIGKILL/ },
      { prompt: "anything", runner: "ghost", status: "failed", words: /could not be started.*\/no\/such\/program/ },
    ];
    for (const { prompt, runner, status, words } of outcomes) {
      const { run } = await server.api.submit(prompt, { runner });
      expect((await server.api.ended(run.id)).status, prompt).toBe(status);
      await page.goto(`/tasks/${run.taskId}`);
      await expect(theConsole(page)).toHaveAttribute("data-status", status);
      await expect(theConsole(page)).toContainText(words);
    }
  });
});
