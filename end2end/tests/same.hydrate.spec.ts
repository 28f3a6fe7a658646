// What a page shows is what it would show after a reload: for every page and after whatever has happened, the open document and a
// freshly loaded one say the same. Random histories first (SEED repeats one, SAME_ROUNDS makes them more), then each way in which it
// was once not so.
import type { Page, Route } from "@playwright/test";
import { LOST, expect, test } from "../fixtures";
import type { Run, Task } from "../support/api";
import { expectLikeReloaded, settled } from "../support/outline";
import { live } from "../support/pages";
import { drawing } from "../support/random";
import type { Server } from "../support/server";

const rounds = Number(process.env.SAME_ROUNDS ?? 1);
const STEPS = Number(process.env.SAME_STEPS ?? 16);

/** One fetch of a page's data by its code, which is held, refused or let through. */
const PAGE_DATA = "**/actions/page*";

/** Waits until no run is queued or running. */
async function quiet(server: Server, runs: Iterable<string>): Promise<void> {
  for (const id of runs) {
    const reply = await server.api.call("GET", `/api/v1/runs/${id}`);
    if (reply.status === 404) continue;
    await expect.poll(async () => (await server.api.run(id)).status, { timeout: 30_000 }).not.toMatch(/queued|running/);
  }
}

for (let round = 0; round < rounds; round++) {
  // The seed stands not in the title, which has to be the same in each of Playwright's processes.
  test(`random history ${round}: every open page says what a reloaded one says`, async ({ signedIn: page, context, server, expectedErrors }) => {
    test.setTimeout(180_000);
    const seed = process.env.SEED ? Number(process.env.SEED) + round : 1 + Math.floor(Math.random() * 1_000_000);
    console.log(`same.hydrate: SEED=${seed}`);
    expectedErrors.push(LOST, /status of (404|50\d)/);
    const draw = drawing(seed);
    const pick = <T>(list: T[]): T | undefined => list[draw(Math.max(1, list.length))];
    const [tasks, runs] = [[] as string[], [] as string[]];
    let question = "";
    let worked: Run | undefined;

    // Calls fail while the server is away: what has happened is what the pages must show, not what was wanted.
    const attempt = async <T>(method: string, path: string, body?: unknown): Promise<T | undefined> => {
      try {
        const reply = await server.api.call(method, `/api/v1${path}`, { body });
        return reply.status < 300 ? (JSON.parse(reply.text || "null") as T) : undefined;
      } catch {
        return undefined;
      }
    };
    const make = async (task: object) => {
      const made = await attempt<Task>("POST", "/tasks", task);
      if (made) tasks.push(made.id);
    };
    const submit = async (prompt: string, more: object = {}) => {
      const made = await attempt<{ run: Run; task: Task }>("POST", "/runs", { prompt, ...more });
      if (!made) return undefined;
      runs.push(made.run.id);
      if (!tasks.includes(made.task.id)) tasks.push(made.task.id);
      return made.run;
    };
    const scope = () => pick(["garden", "house", undefined]);
    const tags = () => pick([[], ["green"], ["green", "daily"], ["wet"]]);
    const status = () => pick(["pending", "in_progress", "completed", "failed", "drifting", "approved"]);
    const choices = () => pick([[], [{ label: "Yes", value: "yes", primary: true }, { label: "No", value: "no" }], [{ label: "Later", value: "later" }]]);
    // A few of the moments are the same, in the past and to the millisecond.
    const moment = () => pick([undefined, undefined, "2026-01-02T09:13:58.259Z", "2026-01-02T09:13:58.260Z"]);
    const words = () => `${pick(["Water", "Prune", "Fix", "Dream of"])} the ${pick(["roses", "sink", "boats"])} ${draw(100)}`;
    const acts: Record<string, () => Promise<unknown>> = {
      post: () => make({ title: words(), scope: scope(), tags: tags(), status: status(), updatedAt: moment(), createdAt: moment() }),
      ask: () => make({ title: words(), type: pick(["question", "approval", "general"]), scope: scope(), context: { choices: choices(), output: `<p>${words()}</p>` } }),
      change: () => attempt("PATCH", `/tasks/${pick(tasks)}`, pick([{ title: words() }, { status: status() }, { description: words() }, { tags: tags() }, { status: status(), tags: tags() }])),
      output: () => attempt("PATCH", `/tasks/${pick(tasks)}`, { context: { output: `<p>${words()}</p>` } }),
      "more choices": () => attempt("PATCH", `/tasks/${pick(tasks)}`, { context: { choices: choices() } }),
      answer: () => attempt("POST", `/tasks/${pick(tasks)}/answer`, { value: pick(["yes", "no", "words of my own"]), comment: pick(["", "so it is"]) }),
      // What becomes of a page whose task is deleted has a test of its own.
      delete: () => attempt("DELETE", `/tasks/${pick(tasks.filter((id) => id !== question && id !== worked?.taskId))}`),
      "run that fails": () => submit("echo bad; exit 3", { scope: scope() }),
      "run that ends": () => submit(`echo good ${draw(100)}`, { tags: tags() }),
      "run again": () => submit("echo again; exit 4", { taskId: pick(tasks) }),
      "run that is cancelled": async () => {
        // Where the request to cancel is lost with the server, it ends by itself.
        const run = await submit("read -t 5 never");
        if (run) await attempt("POST", `/runs/${run.id}/cancellation`);
      },
    };
    const names = Object.keys(acts);
    const burst = async (most: number) => Promise.all(Array.from({ length: 1 + draw(most) }, () => acts[names[draw(names.length)]!]!()));

    // Something to begin with, more than the lists of the dashboard show.
    for (let made = 0; made < 24; made++) await acts[names[draw(2)]!]!();
    await make({ title: "The question", type: "question", context: { choices: choices(), output: "<p>first</p>" } });
    question = tasks.at(-1)!;
    worked = (await submit("echo one; exit 3"))!;
    const opened = [question, worked.taskId];
    const addresses = ["/", "/tasks", "/tasks?scope=garden", "/tasks?status=completed&text=THE", ...opened.map((id) => `/tasks/${id}`), `/runs/${worked.id}`];
    const pages: Page[] = [page];
    while (pages.length < addresses.length) pages.push(await context.newPage());
    for (const [at, tab] of pages.entries()) {
      await tab.goto(addresses[at]!);
      await live(tab);
    }
    const compare = async () => {
      await quiet(server, runs);
      for (const tab of pages) {
        await settled(tab);
        await expectLikeReloaded(tab, `SEED=${seed} ${tab.url()}`);
      }
    };
    for (let step = 0; step < STEPS; step++) {
      // The two tasks that are open change most, so that what is theirs alone is tried as well.
      const open = opened[draw(2)]!;
      const theirs = pick([
        () => attempt("PATCH", `/tasks/${open}`, { context: { output: `<p>${words()}</p>` } }),
        () => attempt("PATCH", `/tasks/${open}`, { status: status() }),
        () => submit("echo once more", { taskId: open }),
        () => attempt("POST", `/tasks/${open}/answer`, { value: "yes" }),
        () => Promise.resolve(),
      ])!;
      await Promise.all([burst(10), theirs()]);
      const restart = draw(5);
      if (restart < 2) {
        // At once: what the pages ask for after that burst is not answered.
        await server.stop(restart === 0 ? "SIGKILL" : "SIGTERM");
        await server.start();
      }
      if (step === STEPS >> 1) await compare();
    }
    await compare();
  });
}

test("twelve runs that fail at once leave no card in progress", async ({ signedIn: page, server }) => {
  await page.goto("/");
  await live(page);
  const made = await Promise.all(Array.from({ length: 12 }, () => server.api.submit("echo bad; exit 3")));
  await quiet(server, made.map(({ run }) => run.id));
  await expectLikeReloaded(page);
  await expect(page.locator("#recent .task-card .badge")).toHaveText(Array(12).fill("failed"));
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  test(`what changed just before ${signal} is on the task's page after the restart`, async ({ signedIn: page, server, expectedErrors }) => {
    expectedErrors.push(LOST, /status of 50\d/);
    const task = await server.api.post({ title: "Which one?", type: "question", context: { choices: [{ label: "A", value: "a" }], output: "<p>0</p>" } });
    await page.goto(`/tasks/${task.id}`);
    await live(page);
    for (let time = 1; time <= 4; time++) {
      await server.api.json("PATCH", `/api/v1/tasks/${task.id}`, { context: { output: `<p>${time}</p>` } });
      if (time === 4) await server.api.json("POST", `/api/v1/tasks/${task.id}/answer`, { value: "a" });
      await server.stop(signal);
      await server.start();
      await live(page);
      await expect(page.locator("[data-rich-output]")).toHaveText(String(time));
    }
    await expectLikeReloaded(page);
  });

  test(`a new run of an open task and ${signal} leave the page standing`, async ({ signedIn: page, server, expectedErrors }) => {
    expectedErrors.push(LOST, /status of 50\d/);
    const { task, run } = await server.api.submit("echo first");
    await server.api.ended(run.id);
    await page.goto(`/tasks/${task.id}`);
    await live(page);
    for (let time = 1; time <= 4; time++) {
      const { run } = await server.api.submit(`echo ${time}`, { taskId: task.id });
      await server.stop(signal);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("echo first");
      await server.start();
      await server.api.ended(run.id);
      await expect(page.locator("section.console")).toHaveAttribute("data-run", run.id, { timeout: 20_000 });
    }
    await expectLikeReloaded(page);
  });
}

test("an answer that was overtaken by a newer one does not come back", async ({ signedIn: page, server }) => {
  const task = await server.api.post({ title: "A", context: { output: "<p>0</p>" } });
  await page.goto(`/tasks/${task.id}`);
  await live(page);
  const held: (() => Promise<void>)[] = [];
  await page.route(PAGE_DATA, async (route: Route) => {
    const response = await route.fetch();
    const answer = () => route.fulfill({ response });
    if (held.length === 0) held.push(answer);
    else await answer();
  });
  await server.api.json("PATCH", `/api/v1/tasks/${task.id}`, { context: { output: "<p>1</p>" } });
  await expect.poll(() => held.length).toBe(1);
  await server.api.json("PATCH", `/api/v1/tasks/${task.id}`, { title: "B", context: { output: "<p>2</p>" } });
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("B");
  await held[0]!();
  await expect(page.locator("[data-rich-output]")).toHaveText("2");
  await expectLikeReloaded(page);
});

test("what could not be fetched is asked for again, and what was shown stays", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(/ERR_FAILED|status of 503/);
  const { task, run } = await server.api.submit("echo first");
  await server.api.ended(run.id);
  await page.goto(`/tasks/${task.id}`);
  await live(page);
  let refused = 0;
  await page.route(PAGE_DATA, (route) => (refused++ < 2 ? (refused === 1 ? route.abort() : route.fulfill({ status: 503, body: "" })) : route.continue()));
  const again = await server.api.submit("echo second", { taskId: task.id });
  await server.api.ended(again.run.id);
  await server.api.json("PATCH", `/api/v1/tasks/${task.id}`, { context: { output: "<p>late</p>" } });
  await expect.poll(() => refused).toBeGreaterThan(1);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("echo first");
  await expect(page.locator("section.console")).toHaveAttribute("data-run", again.run.id, { timeout: 20_000 });
  await expect(page.locator("[data-rich-output]")).toHaveText("late");
  await expectLikeReloaded(page);
});

test("a page that is gone to while nothing can be had comes by itself", async ({ signedIn: page, server, expectedErrors }) => {
  expectedErrors.push(/ERR_FAILED/);
  const task = await server.api.post({ title: "There after all" });
  await page.goto("/");
  await live(page);
  let refused = 0;
  await page.route(PAGE_DATA, (route) => (refused++ < 2 ? route.abort() : route.continue()));
  await page.getByRole("link", { name: task.title }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(task.title, { timeout: 20_000 });
  expect(refused).toBeGreaterThan(2);
});

test("lists that show a part are filled up from what the server has", async ({ signedIn: page, context, server }) => {
  const tasks: Task[] = [];
  for (let number = 0; number < 45; number++) tasks.push(await server.api.post({ title: `Number ${number}`, updatedAt: "2026-01-02T09:13:58.259Z" }));
  const old = await server.api.submit("echo an old one; exit 3");
  await server.api.ended(old.run.id);
  for (const task of tasks) await server.api.json("PATCH", `/api/v1/tasks/${task.id}`, { description: "newer" });
  const board = await context.newPage();
  await page.goto("/");
  await board.goto("/tasks?text=number");
  await live(page);
  await live(board);
  await Promise.all(tasks.slice(38).map((task) => server.api.call("DELETE", `/api/v1/tasks/${task.id}`)));
  await server.api.json("PATCH", `/api/v1/tasks/${tasks[30]!.id}`, { title: "Renamed" });
  await expectLikeReloaded(page, "dashboard");
  await expectLikeReloaded(board, "board");
  // A task of which the dashboard knows nothing changes: its card says how its run ended as well.
  await server.api.json("PATCH", `/api/v1/tasks/${old.task.id}`, { description: "touched" });
  await expect(page.locator("#recent .task-card").first()).toContainText("failed with exit code 3");
  await expectLikeReloaded(page, "dashboard, after a change of an old task");
});

test("the filter's words go when no task has them any more", async ({ signedIn: page, context, server }) => {
  const [kept, gone] = [await server.api.post({ title: "A", scope: "garden", tags: ["x"] }), await server.api.post({ title: "B", scope: "house", status: "drifting" })];
  const filtered = await context.newPage();
  await page.goto("/tasks");
  await filtered.goto("/tasks?scope=garden");
  await live(page);
  await live(filtered);
  await server.api.call("DELETE", `/api/v1/tasks/${gone.id}`);
  await server.api.json("PATCH", `/api/v1/tasks/${kept.id}`, { tags: ["y"], status: "completed" });
  await expect(page.getByLabel("Tag").locator("option")).toHaveText(["Any", "y"]);
  await expectLikeReloaded(page);
  await expectLikeReloaded(filtered);
});

test("what was deleted is not found, live as well as reloaded", async ({ signedIn: page, context, server, expectedErrors }) => {
  expectedErrors.push(/status of 404/);
  const { task, run } = await server.api.submit("echo gone soon");
  await server.api.ended(run.id);
  const runPage = await context.newPage();
  await page.goto(`/tasks/${task.id}`);
  await runPage.goto(`/runs/${run.id}`);
  await live(page);
  await live(runPage);
  await server.api.call("DELETE", `/api/v1/tasks/${task.id}`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not found");
  await expectLikeReloaded(page);
  await expectLikeReloaded(runPage);
});
