// What every test has: a server of its own, and a browser that must not complain.

import { type BrowserContext, test as base, expect } from "@playwright/test";
import { Server } from "./server.ts";

export { expect };

/** Notes whatever a page prints as an error or a warning, or does not catch. */
export function listen(context: BrowserContext): string[] {
  const complaints: string[] = [];
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
    }
  });
  context.on("weberror", (error) => {
    complaints.push(`not caught: ${error.error().stack ?? error.error().message}`);
  });
  return complaints;
}

interface Fixtures {
  server: Server;
  /** How many times slower than they could its workers work, so that a job can be watched. */
  slowness: number;
  /** The statuses of answers that a test expects although browsers print them as errors. */
  expectedStatuses: number[];
}

export const test = base.extend<Fixtures>({
  expectedStatuses: [[], { option: true }],
  slowness: [1, { option: true }],
  server: async ({ slowness }, use) => {
    const server = await Server.start(slowness);
    await use(server);
    await server.stop();
  },
  baseURL: async ({ server }, use) => {
    await use(server.url);
  },
  context: async ({ context, expectedStatuses }, use) => {
    const complaints = listen(context);
    await use(context);
    const unexpected = complaints.filter(
      (complaint) =>
        !expectedStatuses.some((status) => complaint.includes(`the server responded with a status of ${status}`)),
    );
    expect(unexpected, "what the browser complained of").toEqual([]);
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
