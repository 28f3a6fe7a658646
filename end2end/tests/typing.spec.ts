// A line typed under a console reaches the program, with a script and without one.
import { expect, test } from "../fixtures";
import { theConsole } from "../support/pages";

test("typed lines reach the program", async ({ signedIn: page, server }) => {
  const { run, task } = await server.api.submit('printf "name? "; read name; printf "more? "; read more; echo "hello $name, $more"');
  await expect.poll(() => server.api.output(run.id)).toContain("name? ");
  await page.goto(`/tasks/${task.id}`);
  const field = page.getByRole("textbox", { name: "Type into the terminal" });
  await field.fill("World");
  await field.press("Enter");
  await expect.poll(() => server.api.output(run.id)).toContain("more? ");
  await expect(field).toHaveValue("");
  await field.fill("and Zoë");
  await page.getByRole("button", { name: "Enter" }).click();
  await server.api.ended(run.id);
  expect(await server.api.output(run.id)).toMatch(/hello World, and Zoë\n$/);
  await page.reload();
  await expect(theConsole(page)).toContainText("hello World, and Zoë");
  await expect(field, "nothing can be typed into what is over").toHaveCount(0);
});

test("a line that is too long is refused in words", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(/status of 422/);
  const { run, task } = await server.api.submit("read name");
  await expect.poll(async () => (await server.api.run(run.id)).status).toBe("running");
  await page.goto(`/tasks/${task.id}`);
  const field = page.getByRole("textbox", { name: "Type into the terminal" });
  // More bytes than characters.
  await field.fill("ä".repeat(3_000));
  await page.getByRole("button", { name: "Enter" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "a line of more than 4000 bytes" })).toBeVisible();
  await server.api.cancel(run.id);
});
