// Who gets in: by a link that works once, into a cookie that scripts cannot read.
import { expect, signIn, test } from "../fixtures";

test("a link asks before it signs in, works once, and leaves a cookie that scripts cannot read", async ({ page, server, context, expectedErrors }) => {
  expectedErrors.push(/status of 401/);
  await page.goto("/");
  await expect(page.getByText("kontasks sign-in-link")).toBeVisible();

  // Whoever only looks at the link does not use it up: a chat's preview, a scanner of mails, a browser ahead of its person, a page left open.
  const { pathname, search } = new URL(server.signInLink);
  for (const [method, headers] of [["HEAD", {}], ["GET", { "sec-purpose": "prefetch" }], ["GET", { "user-agent": "TelegramBot" }]] as const) {
    const seen = await server.api.call(method, pathname + search, { token: null, headers });
    expect(seen.status).toBe(200);
    expect(seen.headers["set-cookie"]).toBeUndefined();
  }
  for (const _ of [1, 2]) {
    await page.goto(`${server.signInLink}&next=%2Ftasks`);
    await expect(page.getByText(new URL(server.url).host)).toBeVisible();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeFocused();
    expect(await context.cookies()).toEqual([]);
  }

  const submitted = page.waitForRequest((request) => request.method() === "POST");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(`${server.url}/tasks`);
  // The form says where it comes from, and nothing says the link.
  const sent = await (await submitted).allHeaders();
  expect(sent.origin).toBe(server.url);
  expect(sent.referer ?? "").not.toContain("token");
  const [cookie, ...others] = await context.cookies();
  expect(others).toEqual([]);
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Lax", path: "/" });
  expect(cookie?.value.length).toBeGreaterThanOrEqual(43);
  await page.goto(server.signInLink);
  await expect(page).toHaveURL(`${server.url}/`);

  await context.clearCookies();
  const again = await page.goto(server.signInLink);
  expect(again?.status()).toBe(401);
  await expect(page.getByText("kontasks sign-in-link")).toBeVisible();
  await expect(page.getByRole("alert")).toContainText("does not work any more");
  expect(await context.cookies()).toEqual([]);
});

test("the nonce of a page's scripts is nowhere that a style could read it", async ({ signedIn: page, server }) => {
  const { run, task } = await server.api.submit("true");
  for (const path of ["/", "/tasks", `/tasks/${task.id}`, `/runs/${run.id}`, "/settings"]) {
    const reply = await page.context().request.get(path);
    const nonce = /'nonce-([^']+)'/.exec(reply.headers()["content-security-policy"] ?? "")?.[1] ?? "";
    expect(nonce).not.toBe("");
    expect((await reply.text()).replaceAll(` nonce="${nonce}"`, "")).not.toContain(nonce);
  }
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
