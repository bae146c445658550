// Workers and tasks have pages, and links lead to them from everywhere they are shown.

import { layoutErrors } from "../layout.ts";
import { DEMO, scrollsHorizontally } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

withAndWithoutJavaScript(() => {
  test("links lead from lanes, tree and details to tasks and workers, and back", async ({ page, server }) => {
    const id = await server.submit(DEMO);
    await server.over(id);
    // From the home page to a worker, to a task of it, to its place in the run, and back.
    await page.goto("/");
    await page.locator(".now-names").getByRole("link", { name: "worker-1" }).click();
    await page.waitForURL(/\/workers\/worker-1$/);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("worker-1");
    await page.locator(`tr[data-attempt] a[href^="/jobs/${id}/tasks/"]`).first().click();
    await page.waitForURL(/\/tasks\/\d+\.\d+\.0$/);
    await page.getByRole("link", { name: "In the picture of the run" }).first().click();
    await page.waitForURL(/\/run\?attempt=/);
    await page.getByRole("link", { name: /^All attempts at task/ }).click();
    await page.waitForURL(/\/tasks\/\d+\.\d+\.0$/);

    // From a lane of the run to its worker.
    await page.getByRole("link", { name: "Run", exact: true }).click();
    await page.locator(".run-names").getByRole("link", { name: "worker-2" }).click();
    await page.waitForURL(/\/workers\/worker-2$/);

    // From the tree to the tasks of a level, and to the one of the straggler.
    await page.goto(`/jobs/${id}`);
    await page.locator(".sum-tree").getByRole("link", { name: "Level 0", exact: true }).click();
    await page.waitForURL(/\/tasks\?level=0&start=0$/);
    await expect(page.locator("tr[data-task]")).toHaveCount(10);
    await page.locator('tr[data-task="0.2.0"] a').first().click();
    await expect(page.locator(".task-attempt")).toHaveCount(2);
    await expect(page.locator('.task-attempt[data-state="superseded"]')).toContainText("completed the task first");
    await page.getByRole("link", { name: "1.0.0" }).click();
    await page.waitForURL(/\/tasks\/1\.0\.0$/);
    // A cell leads to the list from its task on.
    await page.goto(`/jobs/${id}`);
    await page.locator(".cells a").nth(3).click();
    await page.waitForURL(/\/tasks\?level=0&start=3$/);
    await expect(page.locator("tr[data-task]").first()).toHaveAttribute("data-task", "0.3.0");
  });
});

test("the pages of tasks and of a worker follow what happens", async ({ page, server }) => {
  const id = await server.submit({ ...DEMO, inputs: { generate: { files: 90, count: 4096 } } });
  await page.goto(`/jobs/${id}/tasks`);
  await page.evaluate(() => Object.assign(window, { stays: true }));
  const complete = page.locator('tr[data-task][data-state="complete"]');
  await expect.poll(() => complete.count()).toBeGreaterThan(0);
  const other = await page.context().newPage();
  await other.goto("/workers/worker-1");
  await other.evaluate(() => Object.assign(window, { stays: true }));
  const present = other.locator('[data-part="now"]');
  await expect(present.locator(".worker-badge")).toHaveAttribute("data-state", "busy");
  await expect(present).toContainText("Memory of the server, which its workers share");
  const task = present.locator("dl a");
  const first = await task.innerText();
  await expect(task).not.toHaveText(first);
  // Once it is idle, the page shows what it has done, too.
  await server.over(id);
  await expect(present.locator(".worker-badge")).toHaveAttribute("data-state", "idle");
  const timeline = await (await fetch(`${server.url}/api/jobs/${id}/timeline`)).json();
  const lane = timeline.lanes.find((lane: { worker?: string }) => lane.worker === "worker-1");
  await expect(other.locator(`tr[data-job="${id}"] .number`).first()).toHaveText(String(lane.total));
  await expect(complete).toHaveCount(30);
  for (const one of [page, other]) {
    expect(await one.evaluate(() => "stays" in window), "the page was not loaded again").toBe(true);
  }
});

test("the inputs of a job are told by what has become of them", async ({ page, server }) => {
  const id = await server.submit({ ...DEMO, inputs: { generate: { files: 90, count: 4096 } } });
  await page.goto(`/jobs/${id}/inputs`);
  await page.evaluate(() => Object.assign(window, { stays: true }));
  const files = (state: string) => page.locator(`table.files tbody [data-state="${state}"]`);
  await expect(files("waiting").first()).toBeVisible();
  await expect(files("running").first()).toHaveText("being read");
  await expect(page.locator(".progress-pace")).toHaveText(/(\d+ to|about|up to) \d+\s(s|min) left$/);
  await expect.poll(() => files("complete").count()).toBeGreaterThan(0);
  expect(await files("waiting").count(), "some are read before others").toBeGreaterThan(0);
  await server.over(id);
  await expect(files("complete")).toHaveCount(90);
  expect(await page.evaluate(() => "stays" in window), "the page was not loaded again").toBe(true);
});

test("without JavaScript the page of a worker can be loaded again", async ({ browser, server }) => {
  const context = await browser.newContext({ baseURL: server.url, javaScriptEnabled: false });
  const page = await context.newPage();
  await server.over(await server.submit(DEMO));
  await page.goto("/workers/worker-1");
  const attempts = page.locator("tr[data-attempt]");
  const before = await attempts.count();
  expect(before).toBeGreaterThan(0);
  await server.over(await server.submit(DEMO));
  await page.getByRole("link", { name: "Look again" }).click();
  expect(await attempts.count()).toBeGreaterThan(before);
  await context.close();
});

for (const width of [360, 1280]) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`they fit and are readable at ${width} px in ${colorScheme} colours`, async ({ browser, server }) => {
      const context = await browser.newContext({ baseURL: server.url, viewport: { width, height: 800 }, colorScheme });
      const page = await context.newPage();
      const id = await server.submit(DEMO);
      await server.over(id);
      for (const path of [
        "/workers/worker-1", `/jobs/${id}/tasks`, `/jobs/${id}/tasks/0.2.0`, `/jobs/${id}/tasks/1.0.0`,
        `/jobs/selected?action=delete&job=${id}`, "/jobs",
      ]) {
        await page.goto(path);
        expect(await scrollsHorizontally(page), `${path} scrolls horizontally`).toBe(false);
        expect(await layoutErrors(page), `layout errors of ${path}`).toEqual([]);
      }
      await context.close();
    });
  }
}
