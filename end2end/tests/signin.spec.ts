// Who gets in: by a link that works once, into a cookie that scripts cannot read.
import { expect, signIn, test } from "../fixtures";

test("the link works once and leaves a cookie that scripts cannot read", async ({ page, server, context, expectedErrors }) => {
  expectedErrors.push(/status of 401/);
  await page.goto("/");
  await expect(page.getByText("kontasks sign-in-link")).toBeVisible();

  // Whoever only looks at the link ahead does not use it up.
  expect((await server.api.call("HEAD", new URL(server.signInLink).pathname + new URL(server.signInLink).search, { token: null })).status).toBeLessThan(500);
  expect((await server.api.call("GET", new URL(server.signInLink).pathname + new URL(server.signInLink).search, { token: null, headers: { "sec-purpose": "prefetch" } })).headers["set-cookie"]).toBeUndefined();

  await page.goto(server.signInLink);
  await expect(page).toHaveURL(`${server.url}/`);
  await expect(page.getByLabel("Prompt")).toBeVisible();
  const [cookie, ...others] = await context.cookies();
  expect(others).toEqual([]);
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
  expect(cookie?.value.length).toBeGreaterThanOrEqual(43);

  await context.clearCookies();
  const again = await page.goto(server.signInLink);
  expect(again?.status()).toBe(401);
  await expect(page.getByText("kontasks sign-in-link")).toBeVisible();
  expect(await context.cookies()).toEqual([]);
});

test("a new link comes from the command line, and the cookie outlives a restart", async ({ page, server, context }) => {
  const { code, stdout } = await server.command("sign-in-link", "--data", server.data);
  expect(code).toBe(0);
  const link = /http:\/\/\S+\/sign-in\?token=\S+/.exec(stdout)?.[0] ?? "";
  expect(link.startsWith(`${server.url}/`)).toBe(true);
  await signIn(context.request, link);
  await page.goto("/tasks");
  await expect(page.getByLabel("Status")).toBeVisible();
  await page.goto("about:blank");
  await server.stop();
  await server.start();
  await page.goto("/tasks");
  await expect(page.getByLabel("Status")).toBeVisible();
});

test("headers: no inline scripts, no framing, no sniffing", async ({ server }) => {
  const { headers } = await server.api.call("GET", "/");
  const policy = String(headers["content-security-policy"]);
  const scripts = /script-src ([^;]*)/.exec(policy)?.[1] ?? "";
  expect(scripts).toMatch(/'nonce-/);
  expect(scripts).not.toMatch(/'unsafe-inline'|'unsafe-eval'/);
  expect(policy).toContain("frame-ancestors 'none'");
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test.describe("with a broken kontasks.toml", () => {
  test("the start is refused with line and reason", async ({ server }) => {
    const fs = await import("node:fs");
    const path = await import("node:path");
    const data = path.join(server.folder, "other");
    fs.mkdirSync(data);
    fs.writeFileSync(path.join(data, "kontasks.toml"), '[[runner]]\nname = "a"\ncolour = "blue"\n');
    const { code, stderr } = await server.command("serve", "--addr", "127.0.0.1:0", "--data", data);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/kontasks\.toml/);
    expect(stderr).toMatch(/line 3|:3:|3 \|/);
    expect(stderr).toMatch(/colour/);
  });

  test("a second server on the same data is refused in words", async ({ server }) => {
    const { code, stderr } = await server.command("serve", "--addr", "127.0.0.1:0", "--data", server.data);
    expect(code).not.toBe(0);
    expect(stderr).toContain(server.url);
    expect((await server.api.call("GET", "/healthz", { token: null })).status).toBe(200);
  });
});
