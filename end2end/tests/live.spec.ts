// A job's page while the job runs, also in a second browser.

import { expectPhase, shownNumbers, shownResult, shownStates, submit, watch } from "../pages.ts";
import { expect, recordErrors, test } from "../test.ts";

/** A job with enough tasks for the page to show many states. */
const LONG = { files: "3000", count: "2000", format: "npy", workers: "2", fan_in: "3" } as const;

// The job lasts long enough to be observed, however fast the machine is.
test.use({ slowness: 10 });

test("the progress bars advance before the job is done, and never go back", async ({ page }) => {
  await watch(page);
  await submit(page, LONG);
  await expectPhase(page, "done");

  const seen = await shownStates(page);
  const running = seen.filter((state) => state.phase === "running");
  const fractions = running.map((state) => state.fraction);
  const between = new Set(fractions.filter((fraction) => fraction > 0 && fraction < 1));
  console.log(`${seen.length} states shown, ${between.size} fractions between 0 and 1`);
  expect(between.size, "distinct fractions between 0 and 1").toBeGreaterThanOrEqual(5);
  expect(fractions, "the bar while the job runs").toEqual(fractions.toSorted((a, b) => a - b));
  const leaves = new Set(running.map((state) => state.levels[0]));
  expect(leaves.size, "distinct counts at the first level").toBeGreaterThanOrEqual(3);
});

test("the job's link shows the same in a second browser, updated live", async ({ page, browser, server }) => {
  const id = await submit(page, LONG);
  const other = await browser.newContext({ baseURL: server.url });
  const errors = recordErrors(other);
  const second = await other.newPage();
  await watch(second);
  await second.goto(page.url());
  await expectPhase(second, "done");
  await expectPhase(page, "done");

  expect((await shownStates(second)).some((state) => state.phase === "running")).toBe(true);
  expect(await shownResult(second)).toEqual(await shownResult(page));
  // A page that is opened after the job, without any live event, shows the same.
  await second.reload();
  expect(await shownResult(second)).toEqual(await shownResult(page));
  expect((await server.job(id)).phase).toBe("done");
  await other.close();
  expect(errors).toEqual([]);
});

test("the home page shows jobs submitted by other clients", async ({ page, server }) => {
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

test("two concurrent jobs have separate, correct results", async ({ page, browser, server }) => {
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
