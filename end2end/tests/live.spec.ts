// A job's page while the job runs, and the same page in somebody else's browser.

import { expectPhase, shownNumbers, shownResult, sights, submit, watch } from "../pages.ts";
import { expect, listen, test } from "../test.ts";

/** Enough tasks that the page has time to show many states of the job. */
const LONG = { files: "3000", count: "2000", format: "npy", workers: "2", fan_in: "3" } as const;

// However fast the machine is, the job lasts long enough to be watched.
test.use({ slowness: 10 });

test("the bars move before the job is done, and never go back", async ({ page }) => {
  await watch(page);
  await submit(page, LONG);
  await expectPhase(page, "done");

  const seen = await sights(page);
  const running = seen.filter((sight) => sight.phase === "running");
  const parts = running.map((sight) => sight.part);
  const between = new Set(parts.filter((part) => part > 0 && part < 1));
  console.log(`${seen.length} states seen, ${between.size} with the whole bar between its ends`);
  expect(between.size, "distinct lengths of the bar between its ends").toBeGreaterThanOrEqual(5);
  expect(parts, "the bar while the job runs").toEqual(parts.toSorted((a, b) => a - b));
  const leaves = new Set(running.map((sight) => sight.levels[0]));
  expect(leaves.size, "distinct counts at the first level").toBeGreaterThanOrEqual(3);
});

test("the job's link shows the same in a second browser, live", async ({ page, browser, server }) => {
  const id = await submit(page, LONG);
  const other = await browser.newContext({ baseURL: server.url });
  const complaints = listen(other);
  const second = await other.newPage();
  await watch(second);
  await second.goto(page.url());
  await expectPhase(second, "done");
  await expectPhase(page, "done");

  expect((await sights(second)).some((sight) => sight.phase === "running")).toBe(true);
  expect(await shownResult(second)).toEqual(await shownResult(page));
  // A page that is opened only now, without a single live event, says no less.
  await second.reload();
  expect(await shownResult(second)).toEqual(await shownResult(page));
  expect((await server.job(id)).phase).toBe("done");
  await other.close();
  expect(complaints).toEqual([]);
});

test("the home page follows jobs that somebody else submits", async ({ page, server }) => {
  await page.goto("/");
  await expect(page.locator('.jobs .connection')).toHaveAttribute("data-state", "live");
  const id = await server.submit({
    inputs: { generate: { files: 40, count: 1000 } },
    name: "from a shell",
  });
  const row = page.locator(`[data-job="${id}"]`);
  await expect(row).toContainText("from a shell");
  await expect(row).toHaveAttribute("data-state", "done");
});

test("two jobs at once end right and never mix", async ({ page, browser, server }) => {
  const uploaded = { a: 2.5, b: -1e300 };
  for (const [name, value] of Object.entries(uploaded)) {
    for (let file = 0; file < 60; file++) {
      await server.upload(`inputs/${name}/${file}.csv`, Array(5000).fill(value).join("\n"));
    }
  }
  const other = await browser.newContext({ baseURL: server.url });
  const second = await other.newPage();
  const ids = await Promise.all([
    submit(page, { source: "prefix", prefix: "inputs/a/", fan_in: "4" }),
    submit(second, { source: "prefix", prefix: "inputs/b/", fan_in: "4" }),
  ]);
  expect(ids[0]).not.toBe(ids[1]);
  await Promise.all([expectPhase(page, "done"), expectPhase(second, "done")]);
  for (const [shown, value] of [
    [page, uploaded.a],
    [second, uploaded.b],
  ] as const) {
    const first = await shownNumbers(shown);
    expect(new Set(first.map(Number))).toEqual(new Set([value]));
  }
  await other.close();
});
