// What settings do to a page that is open and live elsewhere.
import { expect, signInElsewhere, test } from "../fixtures";
import { live } from "../support/pages";

test("a browser that is signed out elsewhere says so within two seconds and keeps what was typed", async ({ signedIn: page, browser, server }) => {
  const typed = "a long thought\nthat nobody wants to type again";
  await page.goto("/");
  await live(page);
  await page.getByLabel("Prompt").fill(typed);
  const other = await signInElsewhere(browser, server);
  await other.goto("/settings");
  const row = other.getByRole("region", { name: "Signed-in browsers" }).getByRole("listitem").filter({ hasNotText: "this browser" });
  await expect(row).toContainText("Connected now");
  const begin = Date.now();
  await row.getByRole("button", { name: /^Sign out/ }).click();
  await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", "closed");
  const took = Date.now() - begin;
  expect(took, "milliseconds").toBeLessThan(2_000);
  await expect(page.locator("[data-connection]")).toContainText(/signed out/i);
  await expect(page.getByRole("link", { name: "Sign in" })).toBeVisible();
  await expect(page.getByLabel("Prompt")).toHaveValue(typed);
  // Nothing arms the stream again.
  await expect(other.getByRole("region", { name: "Signed-in browsers" }).getByRole("listitem")).toHaveCount(1);
  await other.context().close();
});

test("the chosen colours stay while a page becomes live and while one goes from page to page", async ({ signedIn: page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/settings");
  await page.getByRole("button", { name: "Dark" }).click();
  // From the first paint on: what the document was before its scripts ran.
  await page.addInitScript(() => {
    const seen: (string | null)[] = [];
    Object.assign(window, { themes: seen });
    new MutationObserver(() => {
      const now = document.documentElement?.getAttribute("data-theme") ?? null;
      if (seen.at(-1) !== now) seen.push(now);
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await page.goto("/");
  await live(page);
  await page.getByRole("link", { name: "Board", exact: true }).click();
  await expect(page.getByLabel("Status")).toBeVisible();
  expect(await page.evaluate(() => (window as unknown as { themes: unknown[] }).themes)).toEqual(["dark"]);
});
