// Behind the proxies that people use, configured as docs/behind-a-proxy.md says: what a run writes arrives as it is written, and a server
// that is killed and started behind the proxy is found again, with every line once.
import fs from "node:fs";
import path from "node:path";
import type { Page } from "@playwright/test";
import { LOST, expect, openLink, signIn, test as base } from "../fixtures";
import { allLines, arrived, line, live, loadedSnapshots, theConsole } from "../support/pages";
import { documented, type Kind, RESOLVER_RULES, RealProxy } from "../support/real_proxy";
import type { Server } from "../support/server";

const test = base.extend<{ kind: Kind; realProxy: RealProxy }>({
  kind: ["nginx", { option: true }],
  realProxy: async ({ kind, server }, use, info) => {
    const proxy = new RealProxy(kind, server.url);
    try {
      await use(await proxy.start());
    } finally {
      await proxy.stop();
      if (info.status !== info.expectedStatus) await info.attach(`${kind}.log`, { body: proxy.log, contentType: "text/plain" });
    }
  },
  // Named after the proxy, so that it is gone before it: what it complains about then is not the end of the test.
  page: async ({ realProxy: _, page }, use) => use(page),
});

test.use({
  launchOptions: async ({ launchOptions }, use) => use({ ...launchOptions, args: [...(launchOptions.args ?? []), RESOLVER_RULES] }),
});

/** What Chromium says on a page that came without TLS by a name, whoever serves it. */
const WITHOUT_TLS = /Cross-Origin-Opener-Policy header has been ignored/;
/** What a proxy answers while its server is gone, and how it ends what it had begun. */
const SERVER_GONE = /status of 50[234]|net::ERR_HTTP2_PROTOCOL_ERROR/;

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index + 1}`);

/** Opens the link that the server printed, under the proxy's address. */
async function signInThrough(page: Page, url: string, server: Server): Promise<void> {
  await openLink(page, server.signInLink.replace(server.url, url));
  await expect(page).toHaveURL(`${url}/`);
}

async function submit(page: Page, prompt: string) {
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  return arrived(page);
}

for (const kind of ["nginx", "haproxy", "caddy"] as const) {
  test.describe(`as documented for ${kind}`, () => {
    test.use({ kind, config: documented("toml"), ignoreHTTPSErrors: kind === "caddy" });

    test(`${kind}: lines arrive as they are written, and a restart behind it loses and repeats none`, async ({ page, realProxy: proxy, server, context, expectedErrors }) => {
      expectedErrors.push(LOST, SERVER_GONE, WITHOUT_TLS);
      await signInThrough(page, proxy.url, server);
      const [cookie] = await context.cookies();
      expect(cookie).toMatchObject({ domain: new URL(proxy.url).hostname, httpOnly: true, secure: kind === "caddy" });
      const protocol = () => page.evaluate(() => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).nextHopProtocol);
      expect(await protocol()).toBe(kind === "caddy" ? "h2" : "http/1.1");

      // The command goes on only when the line before was seen: nothing in between may wait for more. The first line can come with the page,
      // the second only by the stream.
      const gate = 'seen() { until [ -e "$HOME/$1" ]; do sleep 0.02; done; }';
      const { run } = await submit(page, `${gate}; echo line 1; seen 1; echo line 2; seen 2; for i in $(seq 3 120); do echo line $i; sleep 0.03; done`);
      await live(page);
      const healed = loadedSnapshots(page);
      for (const number of [1, 2]) {
        await expect(line(page, `line ${number}`)).toBeVisible();
        await expect(theConsole(page)).toHaveAttribute("data-status", "running");
        fs.writeFileSync(path.join(server.home, String(number)), "");
      }

      await expect(line(page, "line 20")).toBeVisible();
      await server.stop("SIGKILL");
      const connection = page.locator("[data-connection]");
      await expect(connection).toHaveText(/Reconnecting: attempt \d+, next in \d+ s/);
      await server.start();
      await live(page);
      await expect(theConsole(page)).toHaveAttribute("data-status", "succeeded", { timeout: 20_000 });
      expect(await allLines(page)).toEqual(numbered(120));
      expect(await server.api.output(run)).toBe(numbered(120).map((text) => `${text}\n`).join(""));
      expect(healed, "snapshots that had to make good what the stream did not bring").toEqual([]);
    });
  });
}

for (const kind of ["nginx", "haproxy"] as const) {
  test.describe(`${kind} by its address`, () => {
    test.use({ kind });

    test(`${kind}: by its address the board needs no configuration at all`, async ({ page, realProxy: proxy, server }) => {
      await signInThrough(page, proxy.addressUrl, server);
      await submit(page, "echo here; read more");
      await expect(line(page, "here")).toBeVisible();
      await live(page);
      await page.getByRole("button", { name: "Cancel" }).click();
      await expect(theConsole(page)).toHaveAttribute("data-status", "cancelled");
    });
  });
}

test.describe("a name that the server was not told", () => {
  test("nginx hides it: what a page submits is refused, with the line that is missing", async ({ page, realProxy: proxy, server, expectedErrors }) => {
    expectedErrors.push(WITHOUT_TLS, /status of 403/);
    await openLink(page, server.signInLink.replace(server.url, proxy.url));
    await expect(page.locator("body")).toContainText(/add the line\s+hosts = \[.*\]\s+to kontasks\.toml/);
    // Signed in all the same, as by a proxy that was told later.
    await signIn(page.context().request, server.signInLink);
    const [session] = await page.context().cookies(server.url);
    await page.context().addCookies([{ name: session?.name ?? "", value: session?.value ?? "", url: proxy.url }]);
    await page.goto(proxy.url);
    await page.getByLabel("Prompt").fill("touch harm");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect(page.getByRole("alert")).toContainText(/add the line\s+hosts = \[.*\]\s+to kontasks\.toml/);
    expect(await server.api.tasks()).toEqual([]);
  });

  test.describe("passed on", () => {
    test.use({ kind: "haproxy" });

    test("haproxy passes it on: nothing is answered but the line that is missing", async ({ page, realProxy: proxy, expectedErrors }) => {
      expectedErrors.push(WITHOUT_TLS, /status of 421/);
      const answer = await page.goto(proxy.url);
      expect(answer?.status()).toBe(421);
      expect(await answer?.text()).toContain("hosts = [\\\"board.example.org\\\"]");
    });
  });
});
