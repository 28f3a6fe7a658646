// A picture of each page, wide and narrow, dark and light, into test-results/shots for a person to look at; and what can be said of
// looks without one: no page is wider than its window.
import path from "node:path";
import { expect, test } from "../fixtures";
import { furnish, visit } from "../support/scenes";

for (const width of [1440, 390]) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`${width} wide, ${colorScheme}`, async ({ signedIn: page, context, server, expectedErrors }, info) => {
      expectedErrors.push(/status of (401|422)/);
      await page.setViewportSize({ width, height: width > 1000 ? 900 : 844 });
      await page.emulateMedia({ colorScheme });
      const shoot = async (name: string) => {
        await page.screenshot({ path: path.join(info.project.outputDir, "shots", `${name}-${width}-${colorScheme}.png`), animations: "disabled" });
        const [scrollWidth, clientWidth] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth] as const);
        expect.soft(scrollWidth, `${name}: the page's width`).toBeLessThanOrEqual(clientWidth);
      };
      await page.goto("/");
      await shoot("dashboard-empty");
      const { scenes, leave } = await furnish(server);
      for (const scene of scenes) {
        await visit(page, scene);
        await shoot(scene.name);
      }
      await page.getByLabel("Name of a new token").fill("robot");
      await page.getByRole("button", { name: "Make token" }).click();
      await expect(page.getByText("shown only this once")).toBeVisible();
      await shoot("settings-new-token");
      await page.getByLabel("Name of a new token").fill("robot");
      await page.getByRole("button", { name: "Make token" }).click();
      await expect(page.getByRole("alert")).toBeVisible();
      await shoot("settings-refused");
      await leave();
      await context.clearCookies();
      await page.goto("/sign-in");
      await shoot("sign-in");
      expect((await server.commandWith("correct horse battery\n", "password", "--data", server.data)).code).toBe(0);
      await page.goto("/sign-in");
      await page.getByLabel("Password").fill("wrong");
      await page.getByLabel("Password").press("Enter");
      await expect(page.getByRole("alert")).toBeVisible();
      await shoot("sign-in-password");
      await page.goto((await server.command("sign-in-link", "--data", server.data)).stdout.trim());
      await shoot("sign-in-link");
    });
  }
}
