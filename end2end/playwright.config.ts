// Chromium alone, twice: `js` with the page's wasm, `nojs` with JavaScript off. A spec that needs wasm is named *.hydrate.spec.ts.
// The specs start the release binary themselves (KONTASKS_BIN).
import path from "node:path";
import { defineConfig, devices } from "@playwright/test";

process.env.KONTASKS_BIN ??= path.resolve(__dirname, "../target/release/kontasks");

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  workers: 2,
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  retries: 0,
  reporter: [["list"]],
  use: {
    ...devices["Desktop Chrome"],
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      // Empty: Playwright's own download.
      executablePath: process.env.KONTASKS_CHROMIUM || undefined,
      // What a container without a GPU, a sandbox and a way to the outside needs.
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    { name: "js" },
    { name: "nojs", use: { javaScriptEnabled: false }, testIgnore: "**/*.hydrate.spec.ts" },
  ],
});
