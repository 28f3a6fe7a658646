// What a person has typed and not sent yet outlives the page: a reload, a sign-in, a new version of the server.
import { expect, LOST, signIn, test } from "../fixtures";
import { formToken } from "../support/forms";
import { arrived, live } from "../support/pages";

const TEXT = "echo one\necho two, not sent yet";

test("what was typed is there again after a reload, and gone once it has been sent", async ({ signedIn: page }) => {
  await page.goto("/");
  await live(page);
  const box = page.getByLabel("Prompt");
  await box.fill(TEXT);
  await page.reload();
  await expect(box).toHaveValue(TEXT);
  await live(page);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await arrived(page);
  await page.goto("/");
  await live(page);
  await expect(box).toHaveValue("");
});

test("signed out while typing: the page says so, and after signing in the text is there", async ({ signedIn: page, context, server }) => {
  await page.goto("/");
  await live(page);
  const box = page.getByLabel("Prompt");
  await box.fill(TEXT);
  const cookies = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const token = await formToken(context.request, server.url);
  const begin = Date.now();
  const elsewhere = await fetch(`${server.url}/sign-out`, { method: "POST", headers: { cookie: cookies, origin: server.url, ...token }, redirect: "manual" });
  expect(elsewhere.status).toBe(303);
  await expect(page.locator("[data-connection]")).toContainText(/signed out/i);
  expect(Date.now() - begin, "milliseconds until the page said so").toBeLessThan(2_000);
  await expect(box).toHaveValue(TEXT);
  await page.getByRole("link", { name: "Sign in" }).click();
  await expect(page).toHaveURL(/\/sign-in\?next=/);
  const { stdout } = await server.command("sign-in-link", "--data", server.data);
  const link = /http\S+/.exec(stdout)?.[0] ?? "";
  await signIn(context.request, new URL(new URL(link).pathname + new URL(link).search, server.url).href);
  await page.goto("/");
  await expect(box).toHaveValue(TEXT);
});

test("a server of another version is said, and loading it keeps what was typed", async ({ signedIn: page, reverseProxy: proxy, expectedErrors }) => {
  expectedErrors.push(LOST);
  await page.goto(proxy.url);
  await live(page);
  const connection = page.locator("[data-connection]");
  await expect(page.getByRole("button", { name: "Reload" })).toBeHidden();
  await page.getByLabel("Prompt").fill(TEXT);
  proxy.streamsAre = (text) => text.replace(/"build":"[^"]*"/, '"build":"another"');
  proxy.cut();
  await expect(connection).toContainText(/new version/i);
  await live(page);
  await page.getByRole("button", { name: "Reload" }).click();
  await expect(page.getByRole("button", { name: "Reload" })).toBeHidden();
  await expect(page.getByLabel("Prompt")).toHaveValue(TEXT);
});
