// Runs that came with a backup: the first page and the board say so, and nothing is executed before a person has decided.
import fs from "node:fs";
import path from "node:path";
import { expect, signIn, test } from "../fixtures";
import { live } from "../support/pages";

test.use({ config: "max_running = 1\n" });

for (const [page_, decision, ends] of [
  ["/", "Run them", "succeeded"],
  ["/tasks", "Drop them", "cancelled"],
] as const) {
  test(`are held until somebody says on ${page_}: ${decision}`, async ({ page, context, server, javaScriptEnabled }) => {
    const gate = path.join(server.folder, "gate");
    const first = await server.api.submit(`until test -e ${gate}; do sleep 0.05; done`);
    const waiting = [await server.api.submit("echo one"), await server.api.submit("echo two"), await server.api.submit("echo three")];
    await expect.poll(async () => (await server.api.run(first.run.id)).status).toBe("running");
    await server.stop("SIGTERM");
    fs.writeFileSync(gate, "");
    const end = path.join(server.data, "runs", first.run.id, "end.json");
    await expect.poll(() => fs.existsSync(end)).toBe(true);
    // What docs/operation.md says for a volume that was set back.
    fs.rmSync(path.join(server.data, "kontasks.db.head"));
    await server.start();
    await signIn(context.request, server.signInLink);

    await page.goto(page_);
    const notice = page.locator(".held-runs");
    await expect(notice).toContainText("3 queued runs come from a backup or a copy whose last event is of");
    for (const { run } of waiting) expect((await server.api.run(run.id)).status).toBe("queued");
    if (javaScriptEnabled) await live(page);
    await server.api.cancel(waiting[1].run.id);
    await expect.poll(async () => (await server.api.run(waiting[1].run.id)).status).toBe("cancelled");
    if (!javaScriptEnabled) await page.reload();
    await expect(notice).toContainText("2 queued runs come from");
    await page.getByRole("button", { name: decision }).click();
    for (const place of [0, 2]) await expect.poll(async () => (await server.api.run(waiting[place].run.id)).status).toBe(ends);
    await expect(notice).toHaveCount(0);
    // The answer to a plain form leads back to the page that it was on.
    expect(new URL(page.url()).pathname).toBe(page_);
  });
}
