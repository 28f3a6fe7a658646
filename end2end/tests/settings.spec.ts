// Settings: browsers that are signed out from another one, tokens of programs, colours, and the password. All of it by plain forms.
import { expect, signInElsewhere, test } from "../fixtures";

const PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";

test("one browser signs another out", async ({ signedIn: page, browser, server, expectedErrors }) => {
  expectedErrors.push(/status of 401/);
  const phone = await signInElsewhere(browser, server, { userAgent: PHONE });
  await phone.goto("/tasks");
  await page.goto("/");
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page).toHaveURL(/\/settings$/);
  const browsers = page.getByRole("region", { name: "Signed-in browsers" }).getByRole("listitem");
  await expect(browsers).toHaveCount(2);
  await expect(browsers.first()).toContainText("Chrome on Windows this browser");
  await expect(browsers.last()).toContainText("Safari on an iPhone");

  await page.getByRole("button", { name: "Sign out Safari on an iPhone" }).click();
  await expect(page.getByRole("status")).toHaveText("That browser is signed out.");
  await expect(browsers).toHaveCount(1);
  await expect(page.getByRole("button", { name: "Sign out all others" })).toHaveCount(0);
  await phone.goto("/tasks?scope=shop");
  await expect(phone.getByText("You are not signed in.")).toBeVisible();
  await phone.context().close();

  await page.getByRole("link", { name: "Back to Kontasks" }).click();
  await expect(page.getByLabel("Prompt")).toBeVisible();
  await page.goto("/settings");
  await page.getByRole("button", { name: "Sign out this browser" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
  await page.goto("/tasks");
  await expect(page.getByText("You are not signed in.")).toBeVisible();
});

test("all others are signed out at once", async ({ signedIn: page, browser, server }) => {
  const others = [await signInElsewhere(browser, server), await signInElsewhere(browser, server)];
  await page.goto("/settings");
  await page.getByRole("button", { name: "Sign out all others" }).click();
  await expect(page.getByRole("status")).toHaveText("The 2 other browsers are signed out.");
  for (const other of others) {
    await other.goto("/");
    await expect(other.getByText("You are not signed in.")).toBeVisible();
    await other.context().close();
  }
});

test("a form that comes after the sign-out leads to the sign-in and back", async ({ signedIn: page, context, server, expectedErrors }) => {
  expectedErrors.push(/status of 401/);
  await page.goto("/settings");
  await server.command("password", "--remove", "--sign-out-all", "--data", server.data);
  await page.getByRole("button", { name: "Dark" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
  const { stdout } = await server.command("sign-in-link", "--data", server.data);
  await page.getByLabel("Token").fill(stdout.trim());
  await page.getByLabel("Token").press("Enter");
  await expect(page).toHaveURL(/\/settings$/);
  expect((await context.cookies()).map(({ name }) => name)).not.toContain("kontasks_theme");
});

test("a token is made, shown once, used and revoked", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(/status of 422/);
  await page.goto("/settings");
  const tokens = page.getByRole("region", { name: "Tokens for programs" });
  await expect(tokens.getByRole("listitem")).toHaveText(/KONTASKS_TOKEN/);
  await expect(page.locator("body")).not.toContainText(server.token);
  await page.getByLabel("Name of a new token").fill("nightly <b>");
  await page.getByRole("button", { name: "Make token" }).click();
  const secret = (await page.locator("[data-secret]").textContent()) ?? "";
  expect(secret).toMatch(/^[\w-]{43}$/);
  await expect(tokens.getByRole("listitem").first()).toContainText("nightly <b>");
  await expect(tokens.getByRole("listitem").first()).toContainText("Never used");
  await page.reload();
  await expect(page.locator("[data-secret]")).toHaveCount(0);

  expect((await server.api.call("GET", "/api/v1/tasks", { token: secret })).status).toBe(200);
  await page.goto("/settings");
  await expect(tokens.getByRole("listitem").first()).toContainText("Last used in the last few minutes");
  await page.getByLabel("Name of a new token").fill("nightly <b>");
  await page.getByRole("button", { name: "Make token" }).click();
  await expect(page.getByRole("alert")).toContainText("taken by another token");
  await expect(page.getByLabel("Name of a new token")).toHaveValue("nightly <b>");
  await page.getByRole("button", { name: "Revoke nightly <b>" }).click();
  await expect(page.getByRole("status")).toContainText("revoked");
  await expect(tokens.getByRole("listitem")).toHaveCount(1);
  expect((await server.api.call("GET", "/api/v1/tasks", { token: secret })).status).toBe(401);
});

test("colours are chosen for this browser and kept", async ({ signedIn: page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const [light, dark] = ["rgb(245, 245, 242)", "rgb(16, 18, 20)"];
  await page.goto("/settings");
  expect(await ground()).toBe(light);
  await page.getByRole("button", { name: "Dark" }).click();
  await expect(page.getByRole("button", { name: "Dark" })).toHaveAttribute("aria-pressed", "true");
  expect(await ground()).toBe(dark);
  for (const path of ["/", "/tasks"]) {
    await page.goto(path);
    expect(await ground(), path).toBe(dark);
  }
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/settings");
  await page.getByRole("button", { name: "Light" }).click();
  expect(await ground()).toBe(light);
  await page.getByRole("button", { name: "System" }).click();
  expect(await ground()).toBe(dark);
});

test.describe("with runners", () => {
  test.use({
    config: '[[runner]]\nname = "claude"\ncommand = ["claude", "-p", "{prompt}"]\nfolder = "/srv/work"\nenvironment = { API_KEY = "not for show" }\n\n[[runner]]\nname = "shell"\n',
  });

  test("they are named with their commands, and not with what is secret", async ({ signedIn: page }) => {
    await page.goto("/settings");
    const runners = page.getByRole("region", { name: "Runners" });
    await expect(runners.getByRole("listitem").first()).toContainText("claude -p {prompt}");
    await expect(runners.getByRole("listitem").first()).toContainText("/srv/work");
    await expect(runners).toContainText("kontasks.toml");
    await expect(page.locator("body")).not.toContainText("not for show");
  });
});

test("the password signs in, a wrong one does not", async ({ page, server, expectedErrors }) => {
  expectedErrors.push(/status of (401|429)/);
  const password = "correct horse battery";
  await page.goto("/tasks");
  await expect(page.getByLabel("Password")).toHaveCount(0);
  expect((await server.commandWith(`${password}\n`, "password", "--data", server.data)).code).toBe(0);
  await page.reload();
  await expect(page.getByLabel("Password")).toBeFocused();
  const enter = async (text: string) => {
    await page.getByLabel("Password").fill(text);
    await page.getByLabel("Password").press("Enter");
  };
  await enter("something else");
  await expect(page.getByRole("alert")).toHaveText("This is not the password.");
  await enter(password);
  await expect(page).toHaveURL(/\/tasks$/);
  await expect(page.getByLabel("Status")).toBeVisible();

  await page.context().clearCookies();
  await page.goto("/tasks");
  for (let guess = 0; guess < 4; guess++) await enter(`guess ${guess}`);
  await enter(password);
  await expect(page.getByRole("alert")).toContainText("too many wrong passwords");
  await page.getByLabel("Token").fill((await server.command("sign-in-link", "--data", server.data)).stdout.trim());
  await page.getByLabel("Token").press("Enter");
  await expect(page).toHaveURL(/\/tasks$/);
});
