// axe-core on every page, light and dark.
import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "../fixtures";
import { furnish, visit } from "../support/scenes";

for (const colorScheme of ["light", "dark"] as const) {
  test(`every page is accessible (${colorScheme})`, async ({ signedIn: page, context, server, expectedErrors }) => {
    expectedErrors.push(/status of 401/);
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
    await leave();
    await context.clearCookies();
    await page.goto("/sign-in");
    await check("sign-in");
  });
}
