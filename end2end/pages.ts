// What a person does on the pages, and what they then look at.

import { type Locator, type Page, expect } from "@playwright/test";

/** Fields of the form of a new job, by their names in the request. */
export type Fields = Partial<Record<"files" | "count" | "seed" | "prefix" | "workers" | "fan_in" | "name", string>> & {
  source?: "generate" | "prefix";
  format?: "csv" | "npy";
};

/** Fills in the form on the home page; what is not named stays as it is. */
export async function fillIn(page: Page, fields: Fields): Promise<void> {
  await page.goto("/");
  const { source, format, ...texts } = fields;
  if (source) {
    await page.locator(`input[name="form[source]"][value="${source}"]`).check({ force: true });
  }
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

/** The job that a page shows; its `data-state` is the phase. */
export function shownJob(page: Page): Locator {
  return page.locator("article.job");
}

export async function expectPhase(page: Page, phase: string): Promise<void> {
  await expect(shownJob(page)).toHaveAttribute("data-state", phase);
}

/** The first numbers of the result, once the page shows them. */
export async function shownNumbers(page: Page): Promise<string[]> {
  await expect(page.locator(".first-numbers")).toBeVisible();
  return page.locator(".first-numbers code").allInnerTexts();
}

/** What two people who open the same link both see: all but the clock's part. */
export async function shownResult(page: Page): Promise<string[]> {
  await expect(page.locator("section.result")).toBeVisible();
  return [
    await page.getByRole("heading", { level: 1 }).innerText(),
    await page.locator(".sum-tree").innerText(),
    await page.locator("section.result").innerText(),
    (await page.locator("section.result .plot-line").getAttribute("d"))!,
  ];
}

/** Whether the page can be moved sideways. */
export async function scrollsSideways(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** What a page showed of a job at one moment. */
export interface Sight {
  phase: string;
  /** The part of the whole that the bar shows, 0 to 1. */
  part: number;
  /** Completed tasks by level, as the rows of the sum tree say. */
  levels: string[];
}

/**
 * Notes every change of the job that the page shows, from its beginning on.
 * To be called before the page is opened.
 */
export async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const sights: unknown[] = [];
    Object.assign(window, { sights });
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
      const sight = { phase: job.dataset.state, part: bar.position, levels };
      const text = JSON.stringify(sight);
      if (text !== last) {
        sights.push(sight);
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

/** What [`watch`] has noted since the page was loaded. */
export async function sights(page: Page): Promise<Sight[]> {
  return page.evaluate(() => (window as unknown as { sights: Sight[] }).sights);
}
