import { execFileSync } from "node:child_process";
import { defineConfig } from "@playwright/test";

/** The installed Chromium; Playwright downloads no browser. */
const chromium =
  process.env.CHROMIUM ?? execFileSync("../scripts/find-chromium", { encoding: "utf8" }).trim();

/** The tests that fail when the machine has other work. */
const MEASURING = /(speed|shift|hidden)\.spec\.ts/;

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  // Every test starts its own server. They mostly wait, so two run at the same time …
  workers: 2,
  projects: [
    { name: "pages", testIgnore: MEASURING },
    // … but those that measure how long something takes, which have all cores.
    { name: "measuring", testMatch: MEASURING, workers: 1, dependencies: ["pages"] },
  ],
  // A flaky test is a failed test.
  retries: 0,
  forbidOnly: true,
  timeout: 90_000,
  expect: {
    timeout: 20_000,
    // Versions of a browser draw round corners and slopes a little differently.
    toHaveScreenshot: { maxDiffPixels: 250, animations: "disabled", caret: "hide" },
  },
  snapshotPathTemplate: "pictures/{arg}{ext}",
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: chromium,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // As little of the machine in what is drawn as possible.
        "--disable-lcd-text",
        "--font-render-hinting=none",
        "--force-color-profile=srgb",
        "--no-first-run",
      ],
    },
    viewport: { width: 1280, height: 900 },
    trace: "retain-on-failure",
  },
});
