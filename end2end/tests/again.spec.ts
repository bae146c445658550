// What is wrong with a form or with files is told at once, and a job can be changed and run again.

import { expectPhase, fillIn, start, submit } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

withAndWithoutJavaScript(() => {
  test("all wrong fields of a form are told at once", async ({ page }) => {
    await fillIn(page, { files: "abc", workers: "-1", fan_in: "1" });
    await start(page);
    for (const field of ["files", "workers", "fan_in"]) {
      await expect(page.locator(`[data-field="${field}"] .field-problem`)).toHaveText(/^[A-Z]/);
      await expect(page.locator(`input[name="form[${field}]"]`)).toHaveAttribute("aria-invalid", "true");
    }
    await expect(page.locator(".field-problem")).toHaveCount(3);
    await expect(page.locator('input[name="form[files]"]')).toHaveValue("abc");
  });

  test("all wrong files of a job are told, and the job can be changed and run again", async ({ page, server }) => {
    await Promise.all([
      server.upload("in/a.csv", "1,2,3\n"),
      server.upload("in/b.csv", "1,x,3\n"),
      server.upload("in/c.csv", "y,2,3\n"),
      server.upload("in/good/a.csv", "1,2,3\n"),
    ]);
    await submit(page, { source: "prefix", prefix: "in/", workers: "1", name: "to be mended" });
    await expectPhase(page, "failed");
    await expect(page.locator(".problem")).toContainText("in/b.csv");
    await expect(page.locator(".problem")).toContainText("in/c.csv");
    await page.getByRole("link", { name: "Edit and run again" }).click();
    await expect(page.locator('input[name="form[name]"]')).toHaveValue("to be mended");
    await page.locator('input[name="form[prefix]"]').fill("in/good/");
    await start(page);
    await page.waitForURL(/\/jobs\/[0-9A-Z]{26}$/);
    await expectPhase(page, "done");
  });
});

test("going back keeps what was typed into the form", async ({ page }) => {
  await fillIn(page, { name: "not lost", count: "77" });
  await page.getByRole("link", { name: "History", exact: true }).first().click();
  await page.waitForURL(/\/jobs$/);
  await page.goBack();
  await expect(page.locator('input[name="form[name]"]')).toHaveValue("not lost");
  await expect(page.locator('input[name="form[count]"]')).toHaveValue("77");
  await expect(page.locator('input[name="form[source]"][value="generate"]')).toBeChecked();
});

test("with reduced motion pages do not fade into each other", async ({ page }) => {
  const hasTransition = () =>
    page.evaluate(() =>
      [...document.styleSheets].some((sheet) =>
        [...sheet.cssRules].some(
          (rule) =>
            rule.cssText.includes("@view-transition") &&
            (!(rule instanceof CSSMediaRule) || matchMedia(rule.conditionText).matches),
        ),
      ),
    );
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await page.goto("/");
  expect(await hasTransition()).toBe(true);
  await page.emulateMedia({ reducedMotion: "reduce" });
  expect(await hasTransition()).toBe(false);
});

test("the overview greets once, and leaves no hole between its cards", async ({ page, server }) => {
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.goto("/");
  await expect(page.locator(".hero")).toBeVisible();
  const id = await server.submit({ inputs: { generate: { files: 2, count: 5 } } });
  await server.over(id);
  await page.goto("/");
  await expect(page.locator(".hero")).toHaveCount(0);
  await page.locator('input[name="form[source]"][value="prefix"]').check({ force: true });
  await page.locator("details.advanced summary").click();
  const box = async (selector: string) => (await page.locator(selector).boundingBox())!;
  const [workers, jobs] = [await box("section.workers"), await box("section.jobs")];
  expect(jobs.y - (workers.y + workers.height)).toBeLessThan(20);
});
