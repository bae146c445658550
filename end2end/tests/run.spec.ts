// The attempts of a job over time: what is drawn is what the records say, with JavaScript
// and without, while the job runs and afterwards.

import { type Page } from "@playwright/test";
import { DEMO, expectPhase, scrollsHorizontally } from "../pages.ts";
import { type Server } from "../server.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

interface Attempt {
  task: string;
  number: number;
  state: string;
  speculative: boolean;
  worker?: string;
  beside?: number;
  published_at: number;
  started_at?: number;
  ended_at?: number;
}

interface Timeline {
  start: number;
  end: number;
  lanes: { worker?: string; attempts: Attempt[] }[];
  rescues: { task: string; straggler: string; rescuer: string }[];
}

async function timelineOf(server: Server, id: string): Promise<Timeline> {
  return (await (await fetch(`${server.url}/api/jobs/${id}/timeline`)).json()) as Timeline;
}

/** What the page draws of each attempt: its lane, position and width in percent, and its state. */
async function drawn(page: Page): Promise<Record<string, unknown>> {
  return page.evaluate(() => {
    const blocks = [...document.querySelectorAll<SVGAElement>(".run-svg a[data-attempt]")];
    return Object.fromEntries(
      blocks.map((block) => {
        const rectangle = block.querySelector(".run-block")!;
        const number = (name: string) => Number.parseFloat(rectangle.getAttribute(name)!);
        return [
          block.dataset.attempt,
          {
            lane: (number("y") - 27) / 24,
            x: number("x").toFixed(3),
            width: number("width").toFixed(3),
            state: block.dataset.state,
            hatched: block.querySelector(".run-hatch") !== null,
            crossed: block.querySelectorAll(".run-cross").length === 2,
          },
        ];
      }),
    );
  });
}

/** The same by the records. */
function recorded(timeline: Timeline): Record<string, unknown> {
  const percent = (ms: number) => ((ms - timeline.start) * 100) / (timeline.end - timeline.start);
  return Object.fromEntries(
    timeline.lanes.flatMap(({ attempts }, lane) =>
      attempts.map((attempt) => {
        const begin = percent(attempt.started_at ?? attempt.published_at);
        const block = {
          lane,
          x: begin.toFixed(3),
          width: (percent(attempt.ended_at ?? timeline.end) - begin).toFixed(3),
          state: attempt.state,
          hatched: attempt.speculative,
          crossed: attempt.state === "superseded",
        };
        return [`${attempt.task}-${attempt.number}`, block];
      }),
    ),
  );
}

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("the blocks are the attempts of the records, and the straggler is told", async ({ page, server }) => {
    const id = await server.submit(DEMO);
    expect((await server.over(id)).phase).toBe("done");
    await page.goto(`/jobs/${id}`);
    await page.getByRole("link", { name: "Run", exact: true }).click();
    await page.waitForURL(/\/run$/);
    await expect(page.locator(".job-tabs [aria-current]")).toHaveText("Run");
    const timeline = await timelineOf(server, id);
    const attempts = timeline.lanes.flatMap((lane) => lane.attempts);
    expect(attempts.length).toBeGreaterThanOrEqual(18);
    expect(await drawn(page)).toEqual(recorded(timeline));
    await expect(page.locator(".run-names ol li")).toHaveText(
      timeline.lanes.map((lane) => lane.worker ?? "in the queue"),
    );
    // One sentence says who was slow and what was done.
    const [rescue] = timeline.rescues;
    await expect(page.locator(".story").first()).toHaveText(
      new RegExp(
        `^${rescue!.straggler} was [\\d.]+\\stimes slower; its task 0\\.2\\.0 was finished by ${rescue!.rescuer}, which saved about `,
      ),
    );
    expect(await page.locator(".run-tie").count()).toBe(timeline.rescues.length);
    // On the same axis what all did.
    const charts = page.locator(".run-names ul li");
    await expect(charts).toHaveText([/^Throughput/, /^Busy workersup to [\d]+\s%$/, /^Queueup to [\d.]+\stasks$/, /^Server memoryup to [\d.]+\sMB$/]);
    await expect(page.locator(".run-chart")).toHaveCount(4);
    await expect(page.locator(".demo-note")).toContainText("Paced on purpose");

    // What is counted is told.
    const figures = page.locator(".job-figures .figure:visible");
    await expect(figures.filter({ hasText: /^Started/ })).toContainText("The sum of running, completed, failed,");
    await expect(page.locator(".task-times .level-counts").first()).toHaveText(/, of 9\stasks completed by one attempt alone$/);

    // The details of the attempt that was superseded.
    const slow = attempts.find((attempt) => attempt.state === "superseded")!;
    await page.locator(`[data-attempt="${slow.task}-${slow.number}"]`).first().click();
    const details = page.locator("#attempt");
    await expect(details).toContainText(`Task ${slow.task}, attempt ${slow.number}`);
    await expect(details).toContainText("superseded");
    await expect(details).toContainText(slow.worker!);
    await expect(details.locator("time").last()).toHaveText(/:\d\d\.\d{3}( UTC)?$/);
    // A link to them does not lead behind the header.
    await page.goto(`/jobs/${id}/run?attempt=${slow.task}-${slow.number}#attempt`);
    const top = (selector: string) => page.locator(selector).evaluate((it) => it.getBoundingClientRect().top);
    const header = (await page.locator(".job-header").boundingBox())!;
    await expect.poll(() => top("#attempt")).toBeLessThan(900 - 100);
    expect(await top("#attempt")).toBeGreaterThanOrEqual(header.y + header.height);
    expect(await scrollsHorizontally(page)).toBe(false);

    // Its task, with indices from 0.
    await page.getByRole("link", { name: "Tasks", exact: true }).click();
    await page.waitForURL(/\/tasks$/);
    await expect(page.locator(".task-levels a").first()).toHaveText(/^Level 0 10 up to 3\sfiles per node$/);
    await page.goto(`/jobs/${id}/tasks/${slow.task}`);
    const place = page.locator(".task .figure");
    await expect(place.filter({ hasText: "Columns" }).locator("dd")).toHaveText(/^0 to 4\D095 of 4\D096$/);
    await expect(place.filter({ hasText: /^Inputs/ }).locator("dd")).toHaveText("files 6 to 8");

    // What happened, in words.
    await page.getByRole("link", { name: "Log", exact: true }).click();
    await page.waitForURL(/\/log$/);
    await expect(page.locator(".log-entries")).toContainText(
      `began a speculative attempt at task ${slow.task} beside attempt ${slow.number}.`,
    );
    await expect(page.locator(".log-entries time").first()).toHaveText(/:\d\d\.\d{3}( UTC)?$/);
    await page.getByRole("link", { name: /^speculation/ }).click();
    await page.waitForURL(/kind=speculation/);
    await expect(page.locator('.log-entries li:not([data-kind="speculation"])')).toHaveCount(0);
    await page.getByRole("link", { name: "Inputs", exact: true }).click();
    const files = page.locator("table.files tbody tr");
    await expect(files).toHaveCount(30);
    await expect(files.locator('[data-state="complete"]')).toHaveText(Array(30).fill("summed"));
    await expect(files.first()).toContainText("text");
    await expect(files.last()).toContainText(/4.096/);
    await expectPhase(page, "done");
  });
});

test("the picture follows the job, and keyboard and wheel zoom it", async ({ page, server }) => {
  test.setTimeout(120_000);
  // Longer, so that a slow machine has opened the page before it is over.
  const id = await server.submit({ ...DEMO, inputs: { generate: { files: 90, count: 4096 } } });
  await page.goto(`/jobs/${id}/run`);
  await expect(page.locator('.run-svg a[data-state="running"]').first()).toBeAttached();
  await page.evaluate(() => Object.assign(window, { stays: true }));
  const blocks = page.locator(".run-svg a[data-attempt]");
  await expect.poll(() => blocks.count()).toBeGreaterThan(3);
  await expect(page.locator("article.job")).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  const timeline = await timelineOf(server, id);
  await expect.poll(() => drawn(page)).toEqual(recorded(timeline));
  expect(await page.evaluate(() => "stays" in window), "the page was not loaded again").toBe(true);

  const scroller = page.locator("#run-scroll");
  const width = async () => (await page.locator(".run-svg").boundingBox())!.width;
  const marks = () => page.locator("#run-axis text").count();
  const [all, few] = [await width(), await marks()];
  await scroller.focus();
  for (let press = 0; press < 6; press++) {
    await page.keyboard.press("+");
  }
  expect(await width()).toBeGreaterThan(10 * all);
  expect(await marks()).toBeGreaterThan(2 * few);
  const scrolled = () => scroller.evaluate((element) => element.scrollLeft);
  await page.keyboard.press("End");
  const end = await scrolled();
  expect(end).toBeGreaterThan(5 * all);
  await page.keyboard.press("ArrowLeft");
  expect(await scrolled()).toBeLessThan(end);
  await page.keyboard.press("Home");
  expect(await scrolled()).toBe(0);
  await page.keyboard.press("0");
  expect(await width()).toBeCloseTo(all, 0);
  // The wheel zooms at the pointer.
  const box = (await scroller.boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.75, box.y + 30);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -100);
  await page.keyboard.up("Control");
  await expect.poll(width).toBeGreaterThan(1.4 * all);
  expect((await scrolled()) / all).toBeCloseTo(0.375, 1);
  // A drag moves it, and opens nothing.
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.85, box.y + 30, { steps: 4 });
  await page.mouse.up();
  expect((await scrolled()) / all).toBeCloseTo(0.275, 1);
  await expect(page.locator("#attempt")).toHaveCount(0);

  // Figures with the focus, details with Enter, and back with Escape.
  const first = blocks.first();
  // Away from the blocks: one below the pointer shows its figures too.
  await page.mouse.move(0, 0);
  await first.focus();
  await expect(page.locator("#run-figures")).toHaveText(/^Task 0\.\d+\.0, attempt 1 on worker-1: /);
  await page.keyboard.press("Enter");
  await expect(page.locator("#attempt-heading")).toBeFocused();
  await expect(page.locator("#attempt")).toContainText("Waited in the queue");
  await page.keyboard.press("Escape");
  await expect(page.locator("#attempt")).toHaveCount(0);
});

for (const width of [1280, 360]) {
  test(`a job is deleted with the mouse at a width of ${width}`, async ({ page, server }) => {
    const id = await server.submit({ inputs: { generate: { files: 1, count: 5 } } });
    await server.over(id);
    await page.setViewportSize({ width, height: 900 });
    await page.goto(`/jobs/${id}`);
    await page.locator(".confirm summary").click();
    const box = (await page.getByRole("button", { name: "Delete permanently" }).boundingBox())!;
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await page.waitForURL((url) => url.pathname === "/");
    await expect(page.locator(".job-row")).toHaveCount(0);
  });
}

test("on a phone the time axis has a label at each of its lines", async ({ page, server }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const id = await server.submit(DEMO);
  await server.over(id);
  await page.goto(`/jobs/${id}/run`);
  await expect(page.locator(".run-axis text").first()).toBeVisible();
  const lines = await page.locator(".run-axis line").count();
  expect(lines).toBeGreaterThan(1);
  await expect(page.locator(".run-axis text:visible")).toHaveCount(lines);
});
