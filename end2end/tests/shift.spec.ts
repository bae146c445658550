// Nothing that is being read moves when a job ends.

import { expectPhase } from "../pages.ts";
import { expect, test } from "../test.ts";

for (const viewport of [
  { width: 1280, height: 900 },
  { width: 360, height: 740 },
]) {
  test(`the page of a job does not move when its result comes, at a width of ${viewport.width}`, async ({ page, server }) => {
    await page.setViewportSize(viewport);
    await page.addInitScript(() => {
      const shifts: number[] = [];
      Object.assign(window, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          shifts.push((entry as unknown as { value: number }).value);
        }
      }).observe({ type: "layout-shift", buffered: true });
    });
    const id = await server.submit({ inputs: { generate: { files: 30, count: 4096 } }, workers: 3, fan_in: 3, paced: true });
    await page.goto(`/jobs/${id}`);
    await expect(page.locator(".sum-tree")).toBeAttached();
    const sum = () => page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((a, b) => a + b, 0));
    const before = await sum();
    await expectPhase(page, "done");
    await expect(page.locator("section.result")).toBeAttached();
    // Two frames later the browser has noted what has moved.
    await page.evaluate(() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then))));
    const moved = (await sum()) - before;
    console.log(`layout shift ${moved.toFixed(4)} at ${viewport.width}`);
    expect(moved).toBeLessThan(0.02);
  });
}
