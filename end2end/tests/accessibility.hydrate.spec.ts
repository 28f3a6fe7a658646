// axe-core on every page, light and dark.
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "../fixtures";
import { furnish, visit } from "../support/scenes";

for (const colorScheme of ["light", "dark"] as const) {
  test(`every page is accessible (${colorScheme})`, async ({ signedIn: page, context, server, expectedErrors }) => {
    expectedErrors.push(/status of (401|422)/);
    await page.emulateMedia({ colorScheme });
    const check = async (name: string) => {
      const { violations } = await new AxeBuilder({ page }).exclude("[data-rich-output]").analyze();
      const told = violations.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`));
      expect.soft(told, name).toEqual([]);
    };
    const { scenes, leave } = await furnish(server);
    for (const scene of scenes) {
      await visit(page, scene);
      await check(scene.name);
    }
    await page.getByLabel("Name of a new token").fill("robot");
    await page.getByRole("button", { name: "Make token" }).click();
    await expect(page.getByText("shown only this once")).toBeVisible();
    await check("settings-new-token");
    await page.getByLabel("Name of a new token").fill("robot");
    await page.getByRole("button", { name: "Make token" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await check("settings-refused");
    await leave();
    await context.clearCookies();
    await page.goto("/sign-in");
    await check("sign-in");
    expect((await server.commandWith("correct horse battery\n", "password", "--data", server.data)).code).toBe(0);
    await page.goto("/sign-in");
    await page.getByLabel("Password").fill("wrong");
    await page.getByLabel("Password").press("Enter");
    await expect(page.getByRole("alert")).toBeVisible();
    await check("sign-in-password");
    await page.goto((await server.command("sign-in-link", "--data", server.data)).stdout.trim());
    await check("sign-in-link");
  });
}
