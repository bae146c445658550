// Actions of a user on the pages, and what the pages show.

import { type Locator, type Page, expect } from "@playwright/test";

/** The request of the demonstration: 17 tasks, one of which has a straggler. */
export const DEMO = { inputs: { generate: { files: 30, count: 4096 } }, workers: 3, fan_in: 3, paced: true };

/** Fields of the form of a new job, by their keys. */
export type Fields = Partial<Record<"files" | "count" | "seed" | "prefix" | "workers" | "fan_in" | "name", string>> & {
  source?: "demo" | "generate" | "prefix";
  format?: "csv" | "npy";
};

/** Fills in the form on the home page. Fields that are not given keep their initial texts. */
export async function fillIn(page: Page, fields: Fields): Promise<void> {
  await page.goto("/");
  const { source, format, ...texts } = fields;
  // The fields of the demonstration, which is chosen at first, cannot be changed.
  const chosen = source ?? (Object.keys(fields).length > 0 ? "generate" : "demo");
  await page.locator(`input[name="form[source]"][value="${chosen}"]`).check({ force: true });
  if (format) {
    await page.locator('select[name="form[format]"]').selectOption(format);
  }
  for (const [name, text] of Object.entries(texts)) {
    await page.locator(`input[name="form[${name}]"]`).fill(text);
  }
}

export async function start(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Start job" }).click();
}

/** Submits a job by the form, waits for its page, and returns its id. */
export async function submit(page: Page, fields: Fields): Promise<string> {
  await fillIn(page, fields);
  await start(page);
  await page.waitForURL(/\/jobs\/[0-9A-Z]{26}$/);
  return new URL(page.url()).pathname.split("/")[2]!;
}

/** The job on a page; its `data-state` is the phase. */
export function shownJob(page: Page): Locator {
  return page.locator("article.job");
}

export async function expectPhase(page: Page, phase: string): Promise<void> {
  // A job lasts longer on a machine that does much else.
  await expect(shownJob(page)).toHaveAttribute("data-state", phase, { timeout: 60_000 });
}

/** The first numbers of the result, once the page shows them. */
export async function shownNumbers(page: Page): Promise<string[]> {
  await expect(page.locator(".first-numbers")).toBeVisible();
  return page.locator(".first-numbers code").allInnerTexts();
}

/** The parts of a job's page that do not depend on the time it is opened. */
export async function shownResult(page: Page): Promise<string[]> {
  await expect(page.locator("section.result")).toBeVisible();
  return [
    await page.getByRole("heading", { level: 1 }).innerText(),
    await page.locator(".sum-tree").innerText(),
    await page.locator("section.result").innerText(),
    (await page.locator("section.result .plot-line").getAttribute("d"))!,
  ];
}

/** Whether the page scrolls horizontally. */
export async function scrollsHorizontally(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** The state of a job that a page showed at one moment. */
export interface ShownState {
  phase: string;
  /** The fraction that the progress bar shows, 0 to 1. */
  fraction: number;
  /** The numbers of completed tasks in the rows of the sum tree. */
  levels: string[];
}

/**
 * Records every change of the job on the page. Must be called before the page is
 * opened.
 */
export async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shownStates: unknown[] = [];
    Object.assign(window, { shownStates });
    let last = "";
    const look = () => {
      const job = document.querySelector<HTMLElement>("article.job");
      const bar = job?.querySelector<HTMLProgressElement>("progress.whole");
      if (!job || !bar) {
        return;
      }
      const levels = Array.from(job.querySelectorAll<HTMLElement>(".level-counts"), (counts) =>
        (counts.textContent ?? "").split(" · ")[0],
      );
      const state = { phase: job.dataset.state, fraction: bar.position, levels };
      const text = JSON.stringify(state);
      if (text !== last) {
        shownStates.push(state);
        last = text;
      }
    };
    new MutationObserver(look).observe(document, {
      subtree: true,
      childList: true,
      attributes: true,
      characterData: true,
    });
  });
}

/** The states that [`watch`] has recorded since the page was loaded. */
export async function shownStates(page: Page): Promise<ShownState[]> {
  return page.evaluate(() => (window as unknown as { shownStates: ShownState[] }).shownStates);
}

/** Notes from now on what has moved on the page. */
export async function noteShifts(page: Page): Promise<void> {
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
export async function moved(page: Page): Promise<number> {
  // Two frames later the browser has noted it.
  await page.evaluate(() => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then))));
  return page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((a, b) => a + b, 0));
}
