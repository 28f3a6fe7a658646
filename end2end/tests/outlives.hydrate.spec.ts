// Runs outlive the server, and what a person asks of them reaches them whatever was restarted.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { LOST, expect, test } from "../fixtures";
import { allLines, line, live, loadedSnapshots, submit, theConsole } from "../support/pages";
import { ToldRun } from "../support/told";

test("a server that is killed three times in one run leaves no trace, and the page proves it", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  const run = await ToldRun.start(server);
  await page.goto(`/runs/${run.id}`);
  await live(page);
  const loaded = loadedSnapshots(page);
  for (let round = 0; round < 3; round++) {
    run.write(40);
    await expect(line(page, run.last)).toBeVisible();
    await server.stop("SIGKILL");
    run.write(40);
    await server.start();
    await live(page);
    await expect(line(page, run.last)).toBeVisible();
  }
  const output = await run.end();
  await expect(theConsole(page).locator(".console-check")).toHaveText("complete · verified");
  expect(await allLines(page)).toEqual(run.lines);
  expect(output).toBe(run.lines.map((text) => `${text}\n`).join(""));
  expect(loaded, "snapshots instead of events").toEqual([]);
});

test("what is cancelled after a restart ends, a step at a time, as fast as somebody presses", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(LOST);
  await submit(page, "trap 'echo heard INT' INT; trap 'echo heard TERM' TERM; echo up; while :; do sleep 0.05; done");
  await expect(line(page, "up")).toBeVisible();
  await server.stop("SIGKILL");
  await server.start();
  await live(page);
  const console = theConsole(page);
  await console.getByRole("button", { name: "Cancel" }).click();
  await expect(line(page, "heard INT")).toBeVisible();
  await expect(console.locator(".console-outcome")).toContainText(/stopping: SIGINT sent, asked by Chrom/);
  await console.getByRole("button", { name: "Terminate now" }).click();
  await expect(line(page, "heard TERM")).toBeVisible();
  await console.getByRole("button", { name: "Kill now" }).click();
  await expect(console).toHaveAttribute("data-status", "cancelled");
  await expect(console.locator(".console-outcome")).toContainText(/cancelled by Chrom/);
});

test("where what held a run was killed, that is said, and the run can be had again", async ({ signedIn: page, server }) => {
  const { run } = await submit(page, "echo held; test -e again && echo better || sleep 1000");
  await expect(line(page, "held")).toBeVisible();
  fs.writeFileSync(path.join(server.home, "again"), "");
  execFileSync("pkill", ["-KILL", "-f", `supervise .*${run}`]);
  const console = theConsole(page);
  await expect(console).toHaveAttribute("data-status", "interrupted");
  await expect(console.locator(".console-outcome")).toContainText("interrupted: the process that held it is gone");
  await page.getByRole("button", { name: "Run again" }).click();
  await expect(line(page, "better")).toBeVisible();
  await expect(console).toHaveAttribute("data-status", "succeeded");
  await page.getByRole("link", { name: "Full page" }).click();
  await page.getByRole("link", { name: "again, after an earlier run" }).click();
  await page.waitForURL(`**/runs/${run}`);
  await expect(console).toHaveAttribute("data-status", "interrupted");
});

test("the terminal has the console's width", async ({ signedIn: page }) => {
  await page.setViewportSize({ width: 1000, height: 800 });
  await submit(page, "trap 'stty size' WINCH; while :; do sleep 0.05; done");
  const sizes = async () => (await allLines(page)).filter((text) => /^\d+ \d+$/.test(text)).map((text) => Number(text.split(" ")[1]));
  await expect.poll(async () => (await sizes()).length).toBe(1);
  await page.setViewportSize({ width: 500, height: 800 });
  await expect.poll(async () => (await sizes()).length).toBe(2);
  const [wide, narrow] = await sizes();
  expect(wide).toBeGreaterThan(narrow! + 20);
  expect(narrow).toBeGreaterThan(30);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(theConsole(page)).toHaveAttribute("data-status", "cancelled");
});
