// The lanes of the workers on the home page: what they have done in the last two minutes.

import { DEMO } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("each worker has a lane with its attempts, which lead to their jobs", async ({ page, server }) => {
    await page.goto("/");
    await expect(page.locator(".now")).toContainText("No worker has done anything");
    const id = await server.submit(DEMO);
    await server.over(id);
    if (!javaScriptEnabled) {
      await page.reload();
    }
    const blocks = page.locator(`.now-svg a[data-job="${id}"]`);
    const timeline = await (await fetch(`${server.url}/api/jobs/${id}/timeline`)).json();
    await expect(blocks).toHaveCount(timeline.attempts);
    // The throughput is that of ten minutes in 60 parts, of which the newest ends at the right.
    const [left, , width] = (await page.locator(".sparkline").getAttribute("viewBox"))!.split(" ").map(Number);
    const parts = ((await page.locator(".sparkline path").getAttribute("d"))!.match(/h1/g) ?? []).length;
    expect([left, width]).toEqual([parts - 60, 60]);
    await expect(page.locator(".now-names li")).toHaveText(["worker-1", "worker-2", "worker-3"]);
    await expect(page.locator('.now-svg a [fill="url(#now-hatch)"]')).toHaveCount(1);
    await expect(page.locator('.now-svg a[data-state="superseded"]')).toHaveCount(1);
    await page.locator('.now-svg a[data-state="superseded"]').click();
    await page.waitForURL(new RegExp(`/jobs/${id}/run\\?attempt=0\\.2\\.0-1`));
    await expect(page.locator("#attempt")).toContainText("Task 0.2.0, attempt 1");
  });
});
