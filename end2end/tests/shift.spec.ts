// Nothing that is being read moves while a job goes on, and when it ends.

import { type Page } from "@playwright/test";
import { expectPhase } from "../pages.ts";
import { expect, test } from "../test.ts";

const DEMO = { inputs: { generate: { files: 30, count: 4096 } }, workers: 3, fan_in: 3, paced: true };

/** Notes from now on what has moved on the page. */
async function noteShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        shifts.push((entry as unknown as { value: number }).value);
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

/** The sum of what has moved. */
async function moved(page: Page): Promise<number> {
  // Two frames later the browser has noted it.
  await page.evaluate(() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then))));
  return page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((a, b) => a + b, 0));
}

for (const viewport of [
  { width: 1280, height: 900 },
  { width: 360, height: 740 },
]) {
  test(`the page of a job does not move when its result comes, at a width of ${viewport.width}`, async ({ page, server }) => {
    await page.setViewportSize(viewport);
    await noteShifts(page);
    const id = await server.submit(DEMO);
    await page.goto(`/jobs/${id}`);
    await expect(page.locator(".sum-tree")).toBeAttached();
    const before = await moved(page);
    await expectPhase(page, "done");
    await expect(page.locator("section.result")).toBeAttached();
    const shift = (await moved(page)) - before;
    console.log(`layout shift ${shift.toFixed(4)} at ${viewport.width}`);
    expect(shift).toBeLessThan(0.02);
  });

  test(`the run of a job does not move when a straggler is told, at a width of ${viewport.width}`, async ({ page, server }) => {
    await page.setViewportSize(viewport);
    await noteShifts(page);
    const id = await server.submit(DEMO);
    await page.goto(`/jobs/${id}/run`);
    await expect(page.locator(".run-names ol a")).toHaveCount(3);
    await expect(page.locator(".story")).toHaveCount(0);
    const before = await moved(page);
    await expectPhase(page, "done");
    await expect(page.locator(".story")).not.toHaveCount(0);
    const shift = (await moved(page)) - before;
    console.log(`layout shift of the run ${shift.toFixed(4)} at ${viewport.width}`);
    expect(shift).toBeLessThan(0.02);
  });
}
