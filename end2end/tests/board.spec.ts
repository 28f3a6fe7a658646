// The board's filters live in the address, with and without JavaScript.
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures";
import { live } from "../support/pages";

const TASKS = [
  { title: "Water the tomatoes", scope: "garden", tags: ["green", "daily"], type: "general", status: "pending" },
  { title: "Prune the roses", scope: "garden", tags: ["green"], type: "approval", status: "approved" },
  { title: "Fix the sink", scope: "house", tags: ["wet"], type: "general", status: "pending" },
  { title: "Dream of boats", scope: "house", tags: [], type: "dream", status: "drifting" },
];

const card = (page: Page, title: string) => page.getByRole("main").getByRole("link", { name: title });
async function expectShown(page: Page, titles: string[]) {
  for (const { title } of TASKS) await expect(card(page, title), title).toHaveCount(titles.includes(title) ? 1 : 0);
}

test("filters are in the address and survive a reload", async ({ signedIn: page, server, javaScriptEnabled }) => {
  for (const task of TASKS) await server.api.post(task);
  await page.goto("/tasks");
  await expectShown(page, TASKS.map(({ title }) => title));
  if (javaScriptEnabled) await live(page);

  const apply = async () => (javaScriptEnabled ? undefined : page.getByLabel("Search").press("Enter"));
  await page.getByLabel("Scope").selectOption("garden");
  await apply();
  await expect(page).toHaveURL(/scope=garden/);
  await expectShown(page, ["Water the tomatoes", "Prune the roses"]);
  await page.getByLabel("Status").selectOption("pending");
  await apply();
  await expect(page).toHaveURL(/status=pending/);
  await expectShown(page, ["Water the tomatoes"]);

  await page.reload();
  await expectShown(page, ["Water the tomatoes"]);
  await expect(page.getByLabel("Scope")).toHaveValue("garden");
  await expect(page.getByLabel("Status")).toHaveValue("pending");

  await page.goto("/tasks");
  await page.getByLabel("Search").fill("BOATS");
  await apply();
  await expectShown(page, ["Dream of boats"]);
  await page.goto("/tasks?tag=green&type=approval");
  await expectShown(page, ["Prune the roses"]);
  // A status that nobody knows is kept and can be asked for.
  await page.goto("/tasks?status=drifting");
  await expectShown(page, ["Dream of boats"]);
  await page.goto("/tasks?status=nosuch&scope=%22%3E%3Cscript%3E");
  await expectShown(page, []);

  await page.goto("/tasks?scope=house");
  await card(page, "Fix the sink").click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Fix the sink");
  await page.goBack();
  await expectShown(page, ["Fix the sink", "Dream of boats"]);
});
