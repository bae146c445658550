// Every kind of page on a wide screen and on a phone, in the light and the dark theme:
// no text is cut off, overlaps another or lacks contrast. Screenshots are not compared,
// because fonts differ between machines; they are saved in test-results.

import { join } from "node:path";
import { type Page } from "@playwright/test";
import { layoutErrors } from "../layout.ts";
import { DEMO, expectPhase, scrollsHorizontally } from "../pages.ts";
import { expect, test } from "../test.ts";

const screens = {
  wide: { width: 1280, height: 900 },
  phone: { width: 360, height: 740 },
};

/** Labels of fixed texts that are shortened, broken within a word, or stick out. */
async function shortened(page: Page): Promise<(string | null)[]> {
  return page.evaluate(() => {
    const search = document.querySelector(".search button");
    const form = search?.closest(".job-filter");
    const outside = search && form && search.getBoundingClientRect().right > form.getBoundingClientRect().right + 1 ? [search.textContent] : [];
    const cut = [...document.querySelectorAll<HTMLElement>(".run-names ul li")].filter((it) => it.scrollWidth > it.clientWidth);
    const broken = [...document.querySelectorAll<HTMLElement>('.phase-step-word, a[href*="/tasks/"] code')].filter((it) => {
      const range = document.createRange();
      range.selectNodeContents(it);
      const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size;
      return lines > it.innerText.trim().split(/\s+/).length;
    });
    return [...outside, ...[...cut, ...broken].map((it) => it.innerText)];
  });
}

for (const [screen, viewport] of Object.entries(screens)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`on a ${screen} screen in ${colorScheme} colours`, () => {
      test.use({ viewport, colorScheme });

      test("pages fit and are readable", async ({ page, server }, info) => {
        // Axe looks at many pages.
        test.slow();
        await server.upload("inputs/bad/a_rather_long_name_of_a_file_that_cannot_be_read.csv", "1,2,temperature_2m\n");
        const done = await server.submit({
          inputs: { generate: { files: 40, count: 10_000 } },
          workers: 2,
          fan_in: 5,
        });
        const failed = await server.submit({ inputs: { prefix: "inputs/bad/" } });
        await Promise.all([server.over(done), server.over(failed)]);
        const pages = {
          home: "/",
          history: "/jobs",
          done: `/jobs/${done}`,
          run: `/jobs/${done}/run`,
          inputs: `/jobs/${done}/inputs`,
          log: `/jobs/${done}/log`,
          failed: `/jobs/${failed}`,
        };
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(path);
          if (name !== "home" && name !== "history") {
            await expectPhase(page, name === "failed" ? "failed" : "done");
          } else {
            await expect(page.locator(".connection")).toHaveAttribute("data-state", "live");
          }
          expect(await scrollsHorizontally(page), `${name} scrolls horizontally`).toBe(false);
          expect(await layoutErrors(page), `layout errors of ${name}`).toEqual([]);
          expect(await shortened(page), `labels of ${name}`).toEqual([]);
          const path_ = join(info.project.outputDir, "pictures", `${name}-${screen}-${colorScheme}.png`);
          await page.screenshot({ path: path_, fullPage: true });
        }
      });
    });
  }
}

test("the theme follows the system", async ({ page }) => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/");
  const light = await background();
  await page.emulateMedia({ colorScheme: "dark" });
  expect(await background()).not.toBe(light);
});

test("the phases and states of attempts have a colour each", async ({ page, server }) => {
  const id = await server.submit({ inputs: { generate: { files: 1, count: 5 } } });
  await server.over(id);
  await page.goto(`/jobs/${id}/run`);
  for (const media of [{ colorScheme: "light" }, { colorScheme: "dark" }, { forcedColors: "active" }] as const) {
    await page.emulateMedia(media);
    const words = ["reading", "computing", "writing", "completed", "running"];
    const colours = await page.evaluate(
      (words) =>
        words.map((word) => {
          const sign = document.querySelector(`.run-legend :is([data-phase="${word}"], [data-state="${word}"])`)!;
          return getComputedStyle(sign, "::before").backgroundColor;
        }),
      words,
    );
    expect(new Set(colours).size, `${JSON.stringify(media)} ${words} ${colours}`).toBe(words.length);
  }
});

test("with forced colours the states of tasks, bars and legends can be told apart", async ({ page, server }) => {
  const id = await server.submit(DEMO);
  await page.emulateMedia({ forcedColors: "active" });
  await page.goto(`/jobs/${id}`);
  const look = await page.waitForFunction(() => {
    // All at one moment: the job goes on.
    const states = ["complete", "running", "waiting"];
    if (!states.every((state) => document.querySelector(`.cells a[data-state="${state}"]`))) {
      return null;
    }
    const background = (selector: string, part?: string) =>
      getComputedStyle(document.querySelector(selector)!, part).backgroundColor;
    return {
      cells: states.map((state) => background(`.cells a[data-state="${state}"]`)),
      legend: states.map((state) => background(`.legend [data-state="${state}"]`, "::before")),
      // The colour of its value cannot be asked for.
      bar: getComputedStyle(document.querySelector("progress.whole")!).getPropertyValue("forced-color-adjust"),
      page: getComputedStyle(document.body).backgroundColor,
    };
  });
  const { cells, legend, bar, page: canvas } = (await look.jsonValue())!;
  expect(new Set(cells).size, String(cells)).toBe(3);
  expect(legend).toEqual(cells);
  expect(bar, "the bar keeps the colours of the style sheet").toBe("none");
  expect(cells.filter((colour) => colour === canvas).length, "waiting alone is as the page").toBeLessThan(2);
});
