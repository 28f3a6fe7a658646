// A console of 100,000 lines, and a reader who is somewhere else than at its end.
import { expect, test } from "../fixtures";
import { line, live, scroller, submit, theConsole } from "../support/pages";

test("100,000 lines: few of them in the document, all of them within reach", async ({ signedIn: page, server }) => {
  await page.addInitScript(() => {
    const counted = { most: 0 };
    Object.assign(window, { counted });
    new MutationObserver(() => {
      counted.most = Math.max(counted.most, document.querySelectorAll("[data-row]").length);
    }).observe(document, { subtree: true, childList: true });
  });
  const { run } = await submit(page, "seq 1 100000");
  const console = theConsole(page);
  await expect(console).toHaveAttribute("data-status", "succeeded", { timeout: 30_000 });
  await expect(console).toContainText(/100[,\s\u202f]?000 lines/);
  // It has kept to the end.
  await expect(line(page, "100000")).toBeInViewport();
  expect(await page.evaluate(() => (window as unknown as { counted: { most: number } }).counted.most)).toBeLessThan(300);

  const check = async () => {
    const box = await scroller(page);
    await box.evaluate((element) => (element.scrollTop = 0));
    await expect(console.locator('[data-row="0"]')).toHaveText("1");
    await expect(console.locator('[data-row="0"]')).toBeInViewport();
    await box.evaluate((element) => (element.scrollTop = element.scrollHeight / 2));
    await expect(console.locator("[data-row]").first()).toHaveText(/^(4|5)\d{4}$/);
    const latest = page.getByRole("button", { name: "Jump to latest" });
    await latest.click();
    await expect(line(page, "100000")).toBeInViewport();
    await expect(latest).toBeHidden();
    expect(await console.locator("[data-row]").count()).toBeLessThan(300);
  };
  await check();

  // The page that a reload brings carries the end alone, and fetches the rest when it is wanted.
  await page.reload();
  await live(page);
  await expect(line(page, "100000")).toBeInViewport();
  await check();
  expect((await server.api.run(run)).lines).toBe(100_000);
});

test("a reader who has scrolled up stays where they are while output flows", async ({ signedIn: page }) => {
  await submit(page, "seq -f 'line %g' 1 500; for i in $(seq 501 100000); do echo line $i; sleep 0.01; done");
  const console = theConsole(page);
  // Whichever line it has come to: a slow machine draws its first frame late.
  await expect(console.locator("[data-row]").last()).toHaveText(/^line ([5-9]\d\d|\d{4,})$/);
  const latest = page.getByRole("button", { name: "Jump to latest" });
  await expect(latest).toBeHidden();

  const box = await scroller(page);
  await box.evaluate((element) => (element.scrollTop = element.scrollHeight / 3));
  await expect(latest).toBeVisible();
  const firstInView = () =>
    box.evaluate((element) => {
      const top = element.getBoundingClientRect().top;
      const row = [...element.querySelectorAll("[data-row]")].find((row) => row.getBoundingClientRect().bottom > top + 1);
      return { text: row?.textContent, y: Math.round((row?.getBoundingClientRect().top ?? 0) - top) };
    });
  const before = await firstInView();
  const lines = async () => Number(/([\d,]+) lines/.exec((await console.innerText()).replaceAll("\u202f", ","))?.[1]?.replaceAll(",", ""));
  const then = await lines();
  await expect.poll(lines).toBeGreaterThan(then + 100);
  expect(await firstInView()).toEqual(before);

  // Back at the end, it follows again.
  await latest.click();
  await expect(latest).toBeHidden();
  const seen = await lines();
  await expect.poll(lines).toBeGreaterThan(seen + 50);
  const gap = await box.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  expect(gap).toBeLessThan(40);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(console).toHaveAttribute("data-status", "cancelled");
});

test("a clock ticks while the run is known to run, and stops with it", async ({ signedIn: page, server }) => {
  const { run } = await submit(page, "echo up; read forever");
  await expect(line(page, "up")).toBeVisible();
  await live(page);
  const elapsed = async () => /\d+(\.\d+)? ?s|\d+:\d\d/.exec(await theConsole(page).innerText())?.[0];
  const first = await elapsed();
  expect(first).toBeDefined();
  await expect.poll(elapsed).not.toBe(first);
  await server.api.cancel(run);
  await expect(theConsole(page)).toHaveAttribute("data-status", "cancelled");
});
