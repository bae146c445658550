// The content security policy of the pages: they do not violate it, and it holds.

import { submit } from "../pages.ts";
import { expect, test } from "../test.ts";

test("no page violates its policy", async ({ page, server }) => {
  const violations: string[] = [];
  await page.exposeFunction("violated", (text: string) => violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      (window as unknown as { violated(text: string): void }).violated(
        `${event.violatedDirective}: ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`,
      );
    });
  });
  const id = await submit(page, { files: "40", count: "10000", workers: "2", fan_in: "5" });
  await server.over(id);
  // Live updates, and the result that is fetched once the job is done.
  await expect(page.locator("article.job")).toHaveAttribute("data-state", "done");
  await expect(page.locator("#result-slot")).not.toBeEmpty();
  for (const path of ["/", "/jobs", `/jobs/${id}`, "/?plan=shown"]) {
    await page.goto(path);
    await page.waitForLoadState("load");
  }
  expect(violations).toEqual([]);
});

test("a script that somebody put into a page does not run", async ({ browser, server }) => {
  // Not of the fixture: the browser logs what it refuses as an error.
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.url);
  const refused = await page.evaluate(async () => {
    const violated = new Promise<string>((resolve) => {
      document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), {
        once: true,
      });
    });
    const script = document.createElement("script");
    script.textContent = "document.title = 'taken over'";
    document.body.append(script);
    return violated;
  });
  expect(refused).toBe("script-src-elem");
  expect(await page.title()).not.toBe("taken over");
  await context.close();
});

test("no other site can show a page in a frame", async ({ browser, server }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.setContent(`<iframe src="${server.url}/"></iframe>`);
  const frame = page.frames()[1]!;
  await expect.poll(() => frame.url()).toContain("chrome-error:");
  await context.close();
});
