// A task that a program posted: its page, its quick actions, and what rich output may not do.
import { expect, test } from "../fixtures";
import { live } from "../support/pages";
import { Proxy } from "../support/proxy";
import { hostile, REPORT } from "../support/report";

test("the page has its sections, and the JSON comes back as it was posted", async ({ signedIn: page, server }) => {
  const posted = await server.api.call("POST", "/api/v1/tasks", { body: REPORT });
  expect(posted.status).toBe(201);
  const { requestedAt, ...context } = REPORT.context;
  const kept = await server.api.json<typeof REPORT>("GET", `/api/v1/tasks/${REPORT.id}`);
  expect(kept).toMatchObject({ ...REPORT, context });
  expect(Date.parse(kept.context.requestedAt)).toBe(Date.parse(requestedAt));

  await page.goto(`/tasks/${REPORT.id}`);
  await expect(page.getByRole("link", { name: "Back to Kontasks" })).toBeVisible();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(REPORT.title);
  await expect(page.getByText(REPORT.description, { exact: true })).toBeVisible();
  for (const name of ["Output", "Quick Actions", "Original Request", "Details", "Raw Data"]) {
    await expect(page.getByRole("heading", { level: 2, name })).toBeVisible();
  }
  // Rich output keeps its safe styles.
  const cell = page.getByRole("columnheader", { name: "Minutes" });
  await expect(cell).toHaveCSS("color", "rgb(244, 67, 54)");
  await expect(page.locator("[data-rich-output]").getByText("select *")).toHaveCSS("background-color", "rgb(17, 17, 17)");
  await expect(page.getByText("find out why the nightly import is slow").first()).toBeVisible();
  for (const text of ["shop", "database", "import", "agent"]) await expect(page.getByText(text, { exact: true }).first()).toBeVisible();
  for (const { label } of REPORT.context.choices) await expect(page.getByRole("button", { name: label })).toBeVisible();
});

test("an answer is a click, and there is one for ever", async ({ signedIn: page, server }) => {
  await server.api.post(REPORT);
  await page.goto("/");
  await expect(page.getByRole("link", { name: REPORT.title }).first()).toBeVisible();
  await page.goto(`/tasks/${REPORT.id}`);
  const waiting = server.api.call("GET", `/api/v1/tasks/${REPORT.id}/answer?wait=20`);
  await page.getByRole("button", { name: "Explain the plan" }).click();
  await expect(page.getByText(/Answered: (Explain the plan|explain)/)).toBeVisible();
  const answer = await waiting;
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('"explain"');

  const again = (value: string) => server.api.call("POST", `/api/v1/tasks/${REPORT.id}/answer`, { body: { value } });
  expect((await again("explain")).status).toBe(200);
  const other = await again("backlog");
  expect(other.status).toBe(409);
  expect(other.text).toContain("explain");
  await page.reload();
  await expect(page.getByText(/Answered: (Explain the plan|explain)/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Add to backlog" })).toHaveCount(0);
});

test("hostile rich output harms nothing outside its box", async ({ signedIn: page, server, expectedErrors, javaScriptEnabled }) => {
  // The browser may say what the policy refused.
  expectedErrors.push(/Content Security Policy|Refused to/);
  const foreign = await new Proxy(() => server.url).start();
  const asked: string[] = [];
  foreign.onRequest = (url) => asked.push(url);
  const { id } = await server.api.post({ title: "A report", context: { output: hostile(foreign.url) } });
  await page.goto(`/tasks/${id}`);
  if (javaScriptEnabled) await live(page);

  const box = page.locator("[data-rich-output]");
  await expect(box.getByText("kind words")).toBeVisible();
  await expect(box.getByText("in colour")).toHaveCSS("color", "rgb(1, 2, 3)");
  await expect(page.getByRole("heading", { level: 1, name: "A report" })).toBeVisible();
  // Nothing stands over the page's own parts: they can be clicked.
  await page.getByRole("link", { name: "Back to Kontasks" }).click({ trial: true });
  const trap = box.getByText("a link", { exact: true });
  if (await trap.isVisible()) await trap.click();
  await box.getByText("dressed up").click({ force: true });
  expect(await page.evaluate(() => (window as unknown as { harmed?: string }).harmed)).toBeUndefined();
  await expect(box.locator("script, style, link, base, meta, iframe, form, input, [onerror], [onload], [onclick], [data-connection], .console")).toHaveCount(0);
  expect(await page.locator("[data-connection]").count()).toBe(1);
  const away = box.getByRole("link", { name: "away" });
  if ((await away.count()) > 0) await expect(away).toHaveAttribute("rel", /noopener/);
  // The page is no wider than the window.
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBeLessThanOrEqual(0);
  expect(asked, "requests to another host").toEqual([]);
  await foreign.stop();
});
