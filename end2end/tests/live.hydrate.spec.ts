// Pages that are open see what happens elsewhere; the keyboard is enough to work.
import { expect, test } from "../fixtures";
import { arrived, line, live, theConsole } from "../support/pages";
import { REPORT } from "../support/report";

test("the board sees tasks come, change and go", async ({ signedIn: page, server }) => {
  await page.goto("/tasks?scope=shop");
  await live(page);
  const card = page.getByRole("main").getByRole("link", { name: REPORT.title });
  await expect(card).toHaveCount(0);
  await server.api.post(REPORT);
  await expect(card).toBeVisible();
  await server.api.post({ title: "Elsewhere", scope: "garden" });
  await server.api.json("PATCH", `/api/v1/tasks/${REPORT.id}`, { title: "Found it" });
  await expect(page.getByRole("main").getByRole("link", { name: "Found it" })).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: "Elsewhere" })).toHaveCount(0);
  expect((await server.api.call("DELETE", `/api/v1/tasks/${REPORT.id}`)).status).toBeLessThan(300);
  await expect(page.getByRole("main").getByRole("link", { name: "Found it" })).toHaveCount(0);
});

test("the dashboard shows running work with its last lines as they come", async ({ signedIn: page, server }) => {
  await page.goto("/");
  await live(page);
  const { run } = await server.api.submit("echo first words; read go; echo second words; read more");
  await expect(page.getByRole("main").getByText("first words").last()).toBeVisible();
  await server.api.cancel(run.id);
  await expect(page.getByRole("main").getByText(/cancelled/i).first()).toBeVisible();
});

test("two pages show the same run", async ({ signedIn: page, context, server }) => {
  const { run, task } = await server.api.submit("for i in $(seq 1 100); do echo line $i; sleep 0.02; done");
  const other = await context.newPage();
  await Promise.all([page.goto(`/tasks/${task.id}`), other.goto(`/runs/${run.id}`)]);
  for (const each of [page, other]) {
    await expect(theConsole(each)).toHaveAttribute("data-status", "succeeded");
    await expect(line(each, "line 100")).toBeVisible();
  }
});

test("an answer that is given elsewhere appears", async ({ signedIn: page, server }) => {
  await server.api.post(REPORT);
  await page.goto(`/tasks/${REPORT.id}`);
  await live(page);
  await server.api.json("POST", `/api/v1/tasks/${REPORT.id}/answer`, { value: "backlog" });
  await expect(page.getByText(/Answered: (Add to backlog|backlog)/)).toBeVisible();
});

test("the keyboard is enough: the box has the focus, Ctrl+Enter runs", async ({ signedIn: page, server }) => {
  await page.goto("/");
  await live(page);
  await expect(page.getByLabel("Prompt")).toBeFocused();
  await page.keyboard.type("echo from");
  await page.keyboard.press("Enter");
  await page.keyboard.type("echo the keyboard");
  // From whichever field the person is in.
  await page.getByLabel("Tags").focus();
  await page.keyboard.type("typed");
  await page.keyboard.press("Control+Enter");
  const { run } = await arrived(page);
  await expect(line(page, "the keyboard")).toBeVisible();
  expect(await server.api.output((await server.api.ended(run)).id)).toBe("from\nthe keyboard\n");
});

test("signed out elsewhere: the page says so and does not try again", async ({ signedIn: page, context, expectedErrors, reverseProxy: proxy }) => {
  expectedErrors.push(/status of 401/, /net::ERR_/);
  await page.goto(proxy.url);
  await live(page);
  await context.clearCookies();
  proxy.cut();
  const connection = page.locator("[data-connection]");
  await expect(connection).toHaveAttribute("data-connection", "closed");
  await expect(connection).toContainText(/signed out/i);
});
