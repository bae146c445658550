// Numbers are written as the reader's locale does, once the page is hydrated.

import { expectPhase } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

// A point never groups digits: values of results have decimal points in every locale.
const LOCALES = {
  "en-US": ["12,345", "98.9\u00a0kB"],
  "de-DE": ["12\u202f345", "98,9\u00a0kB"],
  "en-IN": ["12,345", "98.9\u00a0kB"],
} as const;
const OF_THE_SERVER = ["12\u202f345", "98.9\u00a0kB"] as const;

withAndWithoutJavaScript((javaScriptEnabled) => {
  for (const [locale, words] of Object.entries(LOCALES)) {
    test.describe(locale, () => {
      test.use({ locale, slowness: 100 });

      test("counts and quantities are those of the locale", async ({ page, server }) => {
        const id = await server.submit({ inputs: { generate: { files: 1, count: 12_345, format: "npy" } } });
        // Some of what is shown comes while the page is open.
        await page.goto(`/jobs/${id}`);
        await server.over(id);
        if (!javaScriptEnabled) {
          await page.reload();
        }
        await expectPhase(page, "done");
        const [columns, size] = javaScriptEnabled ? words : OF_THE_SERVER;
        const figure = (label: string) => page.locator(".job-figures .figure", { hasText: label }).locator("dd");
        const text = (label: string) => figure(label).evaluate((it) => it.textContent);
        // Updated live, and rendered by the server: 128 + 8 × 12,345 bytes.
        await expect.poll(() => text("Numbers per file")).toBe(columns);
        await expect.poll(() => text("Input size")).toBe(size);
        await expect(page.locator("section.result")).toContainText(columns);
        // Values keep their form.
        await expect(page.locator(".first-numbers code").first()).toHaveText(/^-?\d+\.\d+/);
        await page.goto(`/jobs/${id}/run`);
        const times = javaScriptEnabled && locale === "de-DE" ? "1,5\u00a0times" : "1.5\u00a0times";
        await expect.poll(() => page.locator('.legend [data-heat="2"]').evaluate((it) => it.textContent)).toBe(times);
      });
    });
  }
});

test("the locale is loaded once the page is there, not before it is painted", async ({ page, server }) => {
  const id = await server.submit({ inputs: { generate: { files: 1, count: 12_345, format: "npy" } } });
  await server.over(id);
  await page.addInitScript(() => {
    const loaded: DocumentReadyState[] = [];
    const NumberFormat = Intl.NumberFormat;
    Intl.NumberFormat = new Proxy(NumberFormat, {
      construct(target, [locales, options]: ConstructorParameters<typeof NumberFormat>) {
        loaded.push(document.readyState);
        return new target(locales, options);
      },
    });
    Object.assign(window, { loaded });
  });
  await page.goto(`/jobs/${id}`);
  const loaded = () => page.evaluate(() => (window as unknown as { loaded: DocumentReadyState[] }).loaded);
  await expect.poll(loaded).not.toHaveLength(0);
  expect(await loaded()).not.toContain("loading");
});
