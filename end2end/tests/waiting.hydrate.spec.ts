// What waits says so, and goes on saying the truth while somebody looks: runs in the queue, and a data folder that is full.
import { expect, test } from "../fixtures";
import { live, theConsole } from "../support/pages";

test.describe("a queue", () => {
  test.use({ config: "max_running = 1\n" });

  test("says how many are before a run, and counts down as they go", async ({ signedIn: page, server }) => {
    const first = await server.api.submit("read go");
    const second = await server.api.submit("read go");
    const third = await server.api.submit("echo its turn");
    await expect.poll(async () => (await server.api.run(first.run.id)).status).toBe("running");
    await page.goto(`/tasks/${third.task.id}`);
    await live(page);
    const outcome = theConsole(page).locator(".console-outcome");
    await expect(outcome).toContainText("queued, 1 before it");
    await server.api.cancel(first.run.id);
    await expect(outcome).toContainText("queued, next");
    await server.api.cancel(second.run.id);
    await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded");
    await expect(theConsole(page)).toContainText("its turn");
  });
});

test.describe("a data folder at its limit", () => {
  test.use({ config: 'max_data = "3 MB"\n' });

  test("is said on the open page, refuses prompts in words, and is forgotten when there is room", async ({ signedIn: page, server, expectedErrors }) => {
    expectedErrors.push(/status of 507/);
    await page.goto("/");
    await live(page);
    const { run, task } = await server.api.submit("head -c 4000000 /dev/zero | tr '\\0' x");
    const notice = page.locator(".server-notice").filter({ hasText: "The data folder has reached its limit of 3 MB" });
    await expect(notice).toBeVisible();
    await server.api.ended(run.id);
    await page.getByLabel("Prompt").fill("echo more");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect(page.getByRole("alert").filter({ hasText: "max_data" })).toBeVisible();
    await expect(page.getByLabel("Prompt")).toHaveValue("echo more");
    await server.api.call("DELETE", `/api/v1/tasks/${task.id}`);
    await expect(notice).toBeHidden({ timeout: 20_000 });
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.waitForURL(/\/tasks\//);
  });
});
