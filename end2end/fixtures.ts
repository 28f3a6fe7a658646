// What every spec starts from: its own server, a page that may not complain, and that page signed in.
import { expect, test as base, type APIRequestContext, type Browser, type BrowserContextOptions, type Page } from "@playwright/test";
import { Proxy } from "./support/proxy";
import { Server } from "./support/server";

interface Fixtures {
  /** kontasks.toml of the server; empty: none. `test.use({ config: … })`. */
  config: string;
  /** A running server of this test alone. */
  server: Server;
  /** A reverse proxy in front of it, which passes everything on until told otherwise. */
  reverseProxy: Proxy;
  /** What the browser's console may say without failing the test; push to it. */
  expectedErrors: RegExp[];
  /** The page, signed in, not yet anywhere. */
  signedIn: Page;
}

export const test = base.extend<Fixtures>({
  config: ["", { option: true }],

  server: async ({ config }, use, info) => {
    const server = new Server(config);
    try {
      await server.start();
      await use(server);
    } finally {
      const left = await server.dispose();
      if (info.status !== info.expectedStatus) await info.attach("server.log", { body: server.log, contentType: "text/plain" });
      else expect(left, "processes that outlived the test").toEqual([]);
    }
  },

  reverseProxy: async ({ server }, use) => {
    const proxy = await new Proxy(() => server.url).start();
    await use(proxy);
    await proxy.stop();
  },

  baseURL: async ({ server }, use) => use(server.url),

  expectedErrors: async ({}, use) => use([]),

  page: async ({ page, expectedErrors }, use) => {
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(`${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
    await use(page);
    const unexpected = complaints.filter((text) => !expectedErrors.some((pattern) => pattern.test(text)));
    expect(unexpected, "the browser's console").toEqual([]);
  },

  signedIn: async ({ page, context, server }, use) => {
    await signIn(context.request, server.signInLink);
    await use(page);
  },
});

export { expect };

/** What Chromium says when a server or the way to it is gone. */
export const LOST = /net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_CLOSED|SOCKET_NOT_CONNECTED)/;

/** A page of another browser, signed in by a link of its own; it goes away with the test's browser. */
export async function signInElsewhere(browser: Browser, server: Server, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ ...test.info().project.use, baseURL: server.url, ...options });
  const { stdout } = await server.command("sign-in-link", "--data", server.data);
  await signIn(context.request, stdout.trim());
  return context.newPage();
}

/** Submits the form of the link's page, into the cookie jar that the page shares, and leaves no page in the cache. */
export async function signIn(request: Pick<APIRequestContext, "post">, link: string): Promise<void> {
  const { origin, pathname, searchParams } = new URL(link);
  const answer = await request.post(origin + pathname, { form: Object.fromEntries(searchParams), maxRedirects: 0 });
  expect(answer.status(), "the sign-in link").toBe(303);
}

/** Opens the link as a person does, and presses the button that its page has. */
export async function openLink(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in" }).click();
}
