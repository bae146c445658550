// Nothing that is being read moves while a job goes on, and when it ends.

import { DEMO, expectPhase, moved, noteShifts } from "../pages.ts";
import { expect, test } from "../test.ts";

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
