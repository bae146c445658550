// The fixtures of every test: a server, and a browser that must log no errors or warnings.

import { type BrowserContext, test as base, expect } from "@playwright/test";
import { Server } from "./server.ts";

export { expect };

/**
 * Chromium's note on a preload that is not used within some seconds. It says so on slow
 * machines, and of every page that is read for longer without JavaScript.
 */
const LATE_PRELOAD = "was preloaded using link preload but not used within a few seconds";

/** Records errors and warnings in the console, and uncaught exceptions. */
export function recordErrors(context: BrowserContext): string[] {
  const errors: string[] = [];
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !message.text().includes(LATE_PRELOAD)) {
      errors.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    }
  });
  context.on("weberror", (error) => {
    errors.push(`uncaught: ${error.error().stack ?? error.error().message}`);
  });
  return errors;
}

interface Fixtures {
  server: Server;
  /** The slowdown factor of the workers, so that a job can be observed. */
  slowness: number;
  /** The store of which the server has a copy; an empty one if it is not set. */
  store: string | undefined;
  /** Expected HTTP status codes that browsers log as errors. */
  expectedStatuses: number[];
}

export const test = base.extend<Fixtures>({
  expectedStatuses: [[], { option: true }],
  slowness: [1, { option: true }],
  store: [undefined, { option: true }],
  server: async ({ slowness, store }, use) => {
    const server = await Server.start(slowness, store);
    await use(server);
    await server.stop();
  },
  baseURL: async ({ server }, use) => {
    await use(server.url);
  },
  context: async ({ context, expectedStatuses }, use) => {
    const errors = recordErrors(context);
    await use(context);
    const unexpected = errors.filter(
      (error) =>
        !expectedStatuses.some((status) => error.includes(`the server responded with a status of ${status}`)),
    );
    expect(unexpected, "errors and warnings of the browser").toEqual([]);
  },
});

/** Runs the tests of `body` twice, with JavaScript and without. */
export function withAndWithoutJavaScript(body: (javaScriptEnabled: boolean) => void): void {
  for (const javaScriptEnabled of [true, false]) {
    test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
      test.use({ javaScriptEnabled });
      body(javaScriptEnabled);
    });
  }
}
