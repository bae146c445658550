// What a job's page draws is what happened: the states of its tasks, at each version of
// the events, and what it says while the server is away.

import { type Page } from "@playwright/test";
import { expectPhase, shownStates, submit, watch } from "../pages.ts";
import { type Server } from "../server.ts";
import { expect, test } from "../test.ts";

// Tasks take some tens of milliseconds, however fast the machine is.
test.use({ slowness: 20 });

/** The words of the states, by their two bits. */
const WORDS = ["waiting", "running", "speculative", "complete"];

interface Change {
  version: number;
  since?: number;
  levels?: { tasks: number; states: string }[];
  runs?: [level: number, first: number, tasks: number, state: number][];
}

/** Follows the states of a job's tasks until it is over: the words of each level by version. */
async function statesByVersion(server: Server, id: string): Promise<Map<number, string[][]>> {
  const seen = new Map<number, string[][]>();
  let levels: string[][] = [];
  for await (const { name, data } of server.events(`/api/jobs/${id}/events?tasks=true`)) {
    if (name === "job" && (data as { phase: string }).phase === "done") {
      break;
    }
    if (name !== "tasks") {
      continue;
    }
    const change = data as Change;
    if (change.since === undefined) {
      levels = change.levels!.map(({ tasks, states }) => {
        const bytes = Buffer.from(states, "base64");
        return Array.from({ length: tasks }, (_, task) => WORDS[(bytes[task >> 2]! >> (2 * (task & 3))) & 3]!);
      });
    } else {
      levels = levels.map((level) => level.slice());
      for (const [level, first, tasks, state] of change.runs ?? []) {
        levels[level]!.fill(WORDS[state]!, first, first + tasks);
      }
    }
    seen.set(change.version, levels);
  }
  return seen;
}

/** Records in each frame what the page draws, with its version. */
async function recordCells(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const drawn: { version: number; levels: string[][] }[] = [];
    Object.assign(window, { drawn });
    const look = () => {
      const tree = document.querySelector<HTMLElement>(".sum-tree");
      const version = Number(tree?.dataset.version);
      if (tree && version !== drawn.at(-1)?.version) {
        const levels = Array.from(tree.querySelectorAll(".cells"), (level) =>
          Array.from(level.children, (cell) => (cell as HTMLElement).dataset.state!),
        );
        drawn.push({ version, levels });
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}

test("every cell shows the state of its task at the version of the events", async ({ page, server }) => {
  test.setTimeout(180_000);
  await recordCells(page);
  let samples = 0;
  let unordered = 0;
  for (let round = 0; samples < 200; round++) {
    const id = await server.submit({
      inputs: { generate: { files: 120, count: 20_000, seed: round } },
      workers: 3,
      fan_in: 2,
    });
    const truth = statesByVersion(server, id);
    await page.goto(`/jobs/${id}`);
    await expectPhase(page, "done");
    const states = await truth;
    const drawn = await page.evaluate(
      () => (window as unknown as { drawn: { version: number; levels: string[][] }[] }).drawn,
    );
    for (const { version, levels } of drawn) {
      const expected = states.get(version);
      // The streams of the page and of this test may skip different versions; a job that
      // is done draws all tasks complete, whatever was told last.
      if (expected && levels.flat().some((word) => word !== "complete")) {
        expect(levels, `version ${version}`).toEqual(expected);
        samples += 1;
        const leaves = levels[0]!;
        unordered += Number(leaves.indexOf("complete", leaves.findIndex((word) => word !== "complete")) >= 0);
      }
    }
    console.log(`round ${round}: ${samples} samples, ${unordered} with a complete cell right of another`);
  }
  // Cells that filled up from the left would never show this.
  expect(unordered).toBeGreaterThan(10);
});

test("while the server is away the page says so, and then goes on", async ({ browser, server }) => {
  test.setTimeout(120_000);
  // Not of the fixture: the browser logs refused connections as errors.
  const context = await browser.newContext({ baseURL: server.url, timezoneId: "Asia/Kolkata" });
  const page = await context.newPage();
  await watch(page);
  const id = await server.submit({ inputs: { generate: { files: 150, count: 20_000 } }, workers: 2, fan_in: 2 });
  await page.goto(`/jobs/${id}`);
  await expectPhase(page, "running");
  await expect(page.locator(".connection")).toHaveAttribute("data-state", "live");
  const notice = page.locator(".away");
  await expect(notice).toBeEmpty();
  const cancel = page.getByRole("button", { name: "Cancel" });
  await expect(cancel).toBeEnabled();

  await server.kill();
  await expect(notice).toHaveText(/^Server away since \d\d:\d\d:\d\d\. Figures are from then\.$/);
  await expect(notice).toHaveRole("status");
  const local = await page.evaluate(() => new Date().toTimeString().slice(0, 5));
  const said = /since (\d\d:\d\d)/.exec(await notice.innerText())![1]!;
  // The minute may have changed since.
  expect(Math.abs(Number(local.slice(3)) - Number(said.slice(3))) % 59).toBeLessThanOrEqual(1);
  expect(said.slice(0, 2)).toBe(local.slice(0, 2));
  await expect(cancel).toBeDisabled();
  await expect(page.locator(".progress-pace")).toBeHidden();
  // Timers stand still for three seconds of the page.
  const timer = page.locator('.phase-step[data-state="now"] .phase-step-time');
  const stopped = await timer.innerText();
  const ticks = () => new Promise((resolve) => setTimeout(resolve, 3000));
  await page.evaluate(ticks);
  expect(await timer.innerText()).toBe(stopped);

  await server.restart();
  await expect(notice).toBeEmpty();
  await expect(cancel).toBeEnabled();
  await expect(page.locator(".restarts")).toContainText("The server restarted at");
  await expect(page.locator("article.job")).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  const fractions = (await shownStates(page)).map((state) => state.fraction);
  expect(fractions, "the bar never runs backwards").toEqual(fractions.toSorted((a, b) => a - b));
  await context.close();
});

test("the bar advances over all phases and never runs backwards", async ({ page }) => {
  await watch(page);
  await submit(page, { files: "200", count: "20000", workers: "2", fan_in: "4" });
  await expectPhase(page, "done");
  const seen = await shownStates(page);
  const fractions = seen.map((state) => state.fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(new Set(seen.map((state) => state.phase)).size).toBeGreaterThan(2);
  expect(fractions.at(-1)).toBe(1);
});
