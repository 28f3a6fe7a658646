// Every page with something on it, for what is checked on all of them: accessibility and looks.
import type { Page } from "@playwright/test";
import { expect } from "../fixtures";
import type { Server } from "./server";
import { REPORT } from "./report";

export interface Scene {
  name: string;
  path: string;
  /** Whether the page has scripts, and so a connection. */
  scripted?: boolean;
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** Fills the board; returns each page by name. */
export async function furnish(server: Server): Promise<{ scenes: Scene[]; leave: () => Promise<unknown> }> {
  await server.api.post(REPORT);
  await server.api.post({ title: "Deploy to production?", type: "approval", scope: "shop", tags: ["release"], context: { choices: [{ label: "Approve", value: "yes", primary: true }, { label: "Reject", value: "no" }] } });
  const colours = String.raw`seq -f 'line %g' 1 60; printf '\033[1;32mok\033[0m   compiled \033[36m42\033[0m crates\n\033[33mwarning\033[0m: unused variable\n\033[31merror\033[0m: none\n\033[90mdim words\033[0m and \033[7minverse\033[0m\n'`;
  const done = await server.api.submit(colours, { scope: "shop", tags: ["build"] });
  const failed = await server.api.submit("echo about to fail; exit 3");
  const running = await server.api.submit("seq -f 'step %g of many' 1 12; read forever", { scope: "house" });
  await server.api.ended(done.run.id);
  await server.api.ended(failed.run.id);
  await expect.poll(() => server.api.output(running.run.id)).toContain("step 12");
  // The secret of a token is shown to whoever made it: here that is a program.
  await server.api.call("POST", "/settings/tokens", { body: "name=nightly+build", headers: FORM });
  return {
    scenes: [
      { name: "dashboard", path: "/" },
      { name: "board", path: "/tasks" },
      { name: "board-empty", path: "/tasks?scope=nothing" },
      { name: "task-report", path: `/tasks/${REPORT.id}` },
      { name: "task-console", path: `/tasks/${done.task.id}` },
      { name: "task-running", path: `/tasks/${running.task.id}` },
      { name: "run-failed", path: `/runs/${failed.run.id}` },
      { name: "settings", path: "/settings", scripted: false },
    ],
    leave: () => server.api.cancel(running.run.id),
  };
}

/** Opens a scene and waits until it is at rest. */
export async function visit(page: Page, { path, scripted = true }: Scene): Promise<void> {
  await page.goto(path);
  if (scripted) await expect(page.locator("[data-connection]")).toHaveAttribute("data-connection", /live|closed|idle/);
  await page.evaluate(() => document.fonts.ready);
}
