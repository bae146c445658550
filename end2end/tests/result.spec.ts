// The result of a job: any value of it can be found, with JavaScript and without.

import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Page } from "@playwright/test";
import { layoutErrors } from "../layout.ts";
import { npyFile } from "../npy.ts";
import { scrollsHorizontally } from "../pages.ts";
import { type Server } from "../server.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

const COLUMNS = 100_000;
const PEAK = 70_001;

/** A wave with a peak that no plot of all values shows as such. */
const wave = Float64Array.from({ length: COLUMNS }, (_, index) => (index % 1_000) / 8);
wave[PEAK] = 5_000;
wave[30] = NaN;

/** Runs a job on two equal files: the mean is what they hold. */
async function averaged(server: Server, values: Float64Array, shape: number[], statistics: string[] = []): Promise<string> {
  for (const file of ["a", "b"]) {
    await server.upload(`inputs/result/${file}.npy`, npyFile(values, shape));
  }
  const id = await server.submit({ inputs: { prefix: "inputs/result/" }, statistics });
  expect((await server.over(id)).phase).toBe("done");
  return id;
}

/** The columns that the picture shows. */
async function shownPart(page: Page): Promise<[number, number]> {
  const explorer = page.locator("#explorer");
  const number = async (name: string) => Number(await explorer.getAttribute(name));
  return [await number("data-from"), await number("data-to")];
}

async function width(page: Page): Promise<number> {
  const [from, to] = await shownPart(page);
  return to - from;
}

const grouped = (number: number, separator: string) => String(number).replace(/\B(?=(\d{3})+$)/g, separator);
/** A count as the browser writes it in en-US, and as the server does. */
const count = (number: number) => grouped(number, ",");
const countOfServer = (number: number) => grouped(number, "\u202f");
const text = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value));

withAndWithoutJavaScript((javaScriptEnabled) => {
  const shown = javaScriptEnabled ? count : countOfServer;
  test("a single value among many is found by links", async ({ page, server }) => {
    // Many pages are rendered.
    test.slow();
    const id = await averaged(server, wave, [COLUMNS], ["max"]);
    await page.goto(`/jobs/${id}`);
    expect(await shownPart(page)).toEqual([0, COLUMNS]);
    await expect(page.locator(".result-figures")).toContainText("NaN values");

    // The maximum leads to its index, whose value and neighbours are shown.
    await page.getByRole("link", { name: `at ${shown(PEAK)}` }).first().click();
    await expect(page.locator(".readout")).toHaveText(`Index ${shown(PEAK)}: 5000.0`);
    await expect(page.locator("#values [data-marked] code")).toHaveText("5000.0");
    const first = Math.floor(PEAK / 20) * 20;
    await expect(page.locator("#values code")).toHaveText(
      Array.from(wave.subarray(first, first + 20), text),
    );
    // Zooming in keeps it in sight, down to single columns.
    let before = COLUMNS;
    while (before > 8) {
      await page.getByRole("link", { name: "Zoom in" }).click();
      await expect.poll(() => width(page)).toBeLessThan(before);
      before = await width(page);
      const [from, to] = await shownPart(page);
      expect(from <= PEAK && PEAK < to, `${from} to ${to}`).toBe(true);
    }
    const points = (await page.locator("#explorer .plot-line").getAttribute("d"))!.match(/[ML]/g);
    expect(points).toHaveLength(8);
    const [from] = await shownPart(page);
    await page.getByRole("link", { name: "Right", exact: true }).click();
    await expect.poll(async () => (await shownPart(page))[0]).toBe(from + 4);
    // The address shows the same to others.
    await expect(page).toHaveURL(/from=\d+&to=\d+&index=70001/);
    await page.reload();
    expect(await shownPart(page)).toEqual([from + 4, from + 12]);
    await page.getByRole("link", { name: "All", exact: true }).click();
    await expect.poll(() => width(page)).toBe(COLUMNS);
    expect(await scrollsHorizontally(page)).toBe(false);
  });

  test("any index and any page of values is found by links, also of a statistic", async ({ page, server }) => {
    test.slow();
    const id = await averaged(server, wave, [COLUMNS], ["max"]);
    await page.goto(`/jobs/${id}`);
    await page.getByLabel("Index", { exact: true }).fill("12 345");
    await page.getByRole("button", { name: "Go" }).click();
    await expect(page.locator(".readout")).toHaveText(`Index ${shown(12_345)}: ${text(wave[12_345]!)}`);
    await page.getByRole("link", { name: "Next", exact: true }).click();
    await expect(page.locator(".value-pages .hint")).toHaveText(`Page ${shown(619)} of ${shown(5_000)}`);
    await expect(page.locator("#values code").first()).toHaveText(text(wave[12_360]!));
    await page.getByRole("link", { name: "First", exact: true }).click();
    await expect(page.locator("#values code").nth(19)).toHaveText(text(wave[19]!));
    await page.getByRole("link", { name: "Last", exact: true }).click();
    await expect(page.locator("#values code").last()).toHaveText(text(wave[COLUMNS - 1]!));

    // The same of a statistic.
    await page.getByRole("navigation", { name: "Mean and statistics" }).getByRole("link", { name: "maximum" }).click();
    await expect(page).toHaveURL(/statistic=max/);
    await expect(page.locator(".arrays [aria-current]")).toHaveText("maximum");
    expect(await scrollsHorizontally(page)).toBe(false);
  });

  test("figures of a result are those of its values", async ({ page, server }) => {
    const id = await averaged(server, wave, [COLUMNS]);
    await page.goto(`/jobs/${id}`);
    const figures = page.locator(".result-figures");
    const row = (label: string) => figures.locator(".figure", { hasText: label }).locator("dd");
    await expect(row("Minimum")).toHaveText("0.0");
    await expect(row("Maximum")).toHaveText("5000.0");
    await expect(row("NaN values")).toHaveText("1");
    await expect(row("Infinite values")).toHaveText("0");
    // Of a sample: the rank is off by half a percent at most.
    expect(Math.abs(Number(await row("Median").innerText()) - 62.5)).toBeLessThan(1);
    expect(Math.abs(Number(await row("98\u00a0% quantile").innerText()) - 122.5)).toBeLessThan(1);
    await expect(page.locator("section.result")).toContainText(`those of ${shown(65_536)} of ${shown(COLUMNS)}`);
    await expect(page.getByRole("img", { name: /^Histogram of the sampled values/ })).toBeVisible();
  });
});

test("pointer, wheel and keys read values and zoom", async ({ page, server }) => {
  const id = await averaged(server, wave, [COLUMNS]);
  await page.goto(`/jobs/${id}`);
  await page.evaluate(() => Object.assign(window, { stays: true }));
  const area = page.locator("#explorer [data-area]");
  const box = (await area.boundingBox())!;
  const at = (position: number) => [box.x + box.width * position, box.y + box.height / 2] as const;

  // The value under the pointer.
  await page.mouse.move(...at(0.5));
  await expect(page.locator(".readout")).toHaveText(/^Index (49|50),\d{3}: [\d.]+$/);
  await expect(page.locator("#plot-cursor")).toBeVisible();
  const read = /^Index ([\d,]+): ([\d.]+)$/.exec(await page.locator(".readout").innerText())!;
  expect(Number(read[2])).toBe(wave[Number(read[1]!.replaceAll(",", ""))]);

  // A drag over a part shows it.
  await page.mouse.move(...at(0.6));
  await page.mouse.down();
  await page.mouse.move(...at(0.65), { steps: 3 });
  await page.mouse.move(...at(0.8), { steps: 3 });
  await expect(page.locator("#plot-brush")).toBeVisible();
  await page.mouse.up();
  await expect(page.locator("#plot-brush")).toBeHidden();
  await expect.poll(async () => (await shownPart(page)).map((column) => Math.round(column / 1_000))).toEqual([60, 80]);

  // The wheel zooms at the pointer.
  await page.mouse.move(...at(0.5));
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -100);
  await page.keyboard.up("Control");
  await expect.poll(() => width(page)).toBeLessThan(17_000);
  const [from, to] = await shownPart(page);
  expect(Math.abs((from + to) / 2 - 70_000)).toBeLessThan(200);

  // Keys: the cursor, a mark, zoom and all.
  await page.mouse.move(0, 0);
  await page.locator("#explorer").focus();
  await page.keyboard.press("Home");
  await expect(page.locator(".readout")).toHaveText(new RegExp(`^Index ${count(from)}:`));
  await page.keyboard.press("ArrowRight");
  const step = Math.floor((to - from) / 256);
  await expect(page.locator(".readout")).toHaveText(new RegExp(`^Index ${count(from + step)}:`));
  await page.keyboard.press("Enter");
  await expect(page.locator("#values [data-marked]")).toContainText(count(from + step));
  await expect(page.locator("#explorer")).toBeFocused();
  for (let press = 0; press < 12; press++) {
    await page.keyboard.press("+");
  }
  await expect.poll(() => width(page)).toBe(8);
  await expect.poll(() => page.locator("#explorer .plot-line").getAttribute("d").then((d) => d!.match(/[ML]/g)!.length)).toBe(8);
  await expect(page).toHaveURL(/from=\d+&to=\d+&index=\d+/);
  const [left] = await shownPart(page);
  await page.keyboard.press("Shift+ArrowLeft");
  await expect.poll(async () => (await shownPart(page))[0]).toBe(left - 2);
  await page.keyboard.press("0");
  await expect.poll(() => width(page)).toBe(COLUMNS);
  expect(await page.evaluate(() => "stays" in window), "the page was not loaded again").toBe(true);
});

const ROWS = 40;
const WIDTH = 60;

/** Rows and columns that can be told apart, with a value that is far from all others. */
const table = Float64Array.from({ length: ROWS * WIDTH }, (_, index) => Math.floor(index / WIDTH) * 100 + (index % WIDTH));
table[7 * WIDTH + 11] = 1e6;
table[20 * WIDTH + 30] = NaN;

withAndWithoutJavaScript((javaScriptEnabled) => {
  const shown = javaScriptEnabled ? count : countOfServer;
  test("an image shows its values, rows and columns by links", async ({ page, server }) => {
    const id = await averaged(server, table, [ROWS, WIDTH], ["std"]);
    await page.goto(`/jobs/${id}`);
    const image = page.locator("#explorer img");
    await expect(image).toHaveAttribute("alt", /^Image of the mean, all 40 rows and all 60 columns, from /);
    // The value that is far away does not take all colours, unless it is asked to.
    await expect(page.locator("#explorer .scale")).toContainText("NaN or infinite");
    const high = async () => Number(new URL((await image.getAttribute("src"))!, server.url).searchParams.get("high"));
    expect(await high()).toBeLessThan(4_000);
    await page.getByRole("link", { name: "From minimum to maximum" }).click();
    await expect.poll(high).toBe(1e6);
    await page.getByRole("link", { name: "From 2 % to 98 %" }).click();
    await expect.poll(high).toBeLessThan(4_000);

    // A number by its row and column, with both profiles.
    await page.getByLabel("Row", { exact: true }).fill("7");
    await page.getByLabel("Column", { exact: true }).fill("11");
    await page.getByRole("button", { name: "Go" }).click();
    await expect(page.locator(".readout")).toHaveText("Row 7, column 11: 1000000.0");
    await expect(page.locator(".profile h3")).toHaveText(["Row 7", "Column 11"]);
    await expect(page.getByRole("img", { name: /^Plot of the values of row 7 at 60\sindices, from 700(\.0)? to 1000000/ })).toBeVisible();
    await expect(page.getByRole("img", { name: /^Plot of the values of column 11 at 40\sindices, from 11(\.0)? to 1000000/ })).toBeVisible();
    await expect(page.locator("#values [data-marked] .index")).toHaveText("7, 11");

    // Zoomed around it, and moved.
    await page.getByRole("link", { name: "Zoom in" }).click();
    await expect.poll(() => width(page)).toBe(30);
    const part = async () => {
      const parameters = new URL((await image.getAttribute("src"))!, server.url).searchParams;
      return [parameters.get("rows"), parameters.get("columns")];
    };
    const [from] = await shownPart(page);
    const [rows] = await part();
    await page.getByRole("link", { name: "Right", exact: true }).click();
    await expect.poll(async () => (await shownPart(page))[0]).toBe(from + 15);
    expect(await part()).toEqual([rows, `${from + 15}..${from + 45}`]);
    await page.getByRole("link", { name: "Down", exact: true }).click();
    await expect.poll(async () => (await part())[0]).not.toBe(rows);
    await page.getByRole("link", { name: "All", exact: true }).click();
    await expect.poll(part).toEqual([`0..${ROWS}`, `0..${WIDTH}`]);
    // The image of a statistic, not a band of noise.
    await expect(page.getByRole("img", { name: "Image of the standard deviation" })).toBeAttached();
    expect(await scrollsHorizontally(page)).toBe(false);
  });

  test("results of two jobs are compared bit by bit", async ({ page, server }) => {
    const one = await averaged(server, wave, [COLUMNS], ["max"]);
    const again = await averaged(server, wave, [COLUMNS], ["max"]);
    const changed = wave.slice();
    changed[55_555]! += 0.25;
    changed[55_556]! -= 2;
    changed[0] = -0;
    const other = await averaged(server, changed, [COLUMNS]);

    await page.goto(`/jobs/${one}`);
    await page.getByRole("link", { name: "Compare with…" }).click();
    await page.waitForURL(/\/compare$/);
    await expect(page.locator("#compare-with option")).toHaveCount(2);
    await page.locator("#compare-with").selectOption(again);
    await page.getByRole("button", { name: "Compare" }).click();
    await expect(page.locator(".verdict")).toHaveText(
      `Bits equal: all ${shown(COLUMNS)}\u00a0values have the same bits, by the SHA-256 of their files.`,
    );
    await page.locator("#compare-with").selectOption(other);
    await page.getByRole("button", { name: "Compare" }).click();
    await expect(page.locator(".verdict")).toHaveText(`Not equal: 3 of ${shown(COLUMNS)}\u00a0values differ in bits.`);
    const figures = page.locator(".compare .figures");
    await expect(figures).toContainText(`at index ${shown(55_556)}`);
    await expect(figures.locator("dd").first()).toHaveText("2.0");
    await expect(page.locator(".compare .plot")).toHaveCount(2);
    await page.getByRole("link", { name: "Value of the other" }).click();
    await expect(page.locator(".readout")).toHaveText(`Index ${shown(55_556)}: ${text(changed[55_556]!)}`);
    expect(await scrollsHorizontally(page)).toBe(false);
  });
});

test("the report of a job is one file that loads nothing and can be read", async ({ page, server }, info) => {
  const id = await averaged(server, table, [ROWS, WIDTH], ["std"]);
  await page.goto(`/jobs/${id}`);
  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Report as one HTML file" }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`${id}.html`);
  const file = resolve(info.project.outputDir, "pictures", "report.html");
  await download.saveAs(file);
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  for (const [screen, width] of [["wide", 1600], ["phone", 360]] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(pathToFileURL(file).href);
    await expect(page.getByRole("img", { name: "Image of the standard deviation" })).toBeVisible();
    await expect(page.locator(".run-svg a[data-attempt]").first()).toBeVisible();
    expect(await scrollsHorizontally(page)).toBe(false);
    expect(await layoutErrors(page)).toEqual([]);
    await page.screenshot({ path: join(info.project.outputDir, "pictures", `report-${screen}.png`), fullPage: true });
  }
  const asked = requests.filter((url) => !url.startsWith("data:"));
  expect(new Set(asked)).toEqual(new Set([pathToFileURL(file).href]));
});

test("pointer, wheel and keys read an image and move it", async ({ page, server }) => {
  const id = await averaged(server, table, [ROWS, WIDTH]);
  await page.goto(`/jobs/${id}`);
  await page.locator("#explorer").scrollIntoViewIfNeeded();
  const area = page.locator("#explorer [data-area]");
  const box = (await area.boundingBox())!;
  const cell = (row: number, column: number) =>
    [box.x + (box.width * (column + 0.5)) / WIDTH, box.y + (box.height * (row + 0.5)) / ROWS] as const;
  const readout = page.locator(".readout");
  await page.mouse.move(...cell(3, 5));
  await expect(readout).toHaveText("Row 3, column 5: 305.0");
  await page.mouse.move(...cell(7, 11));
  await expect(readout).toHaveText("Row 7, column 11: 1000000.0");
  await expect(page.locator(".profile h3")).toHaveText(["Row 7", "Column 11"]);

  // The wheel zooms at the pointer: the value stays under it.
  await page.keyboard.down("Control");
  for (let turn = 0; turn < 4; turn++) {
    await page.mouse.wheel(0, -100);
  }
  await page.keyboard.up("Control");
  await expect.poll(() => width(page)).toBeLessThan(30);
  await page.mouse.move(cell(7, 11)[0] + 1, cell(7, 11)[1] + 1);
  await expect(readout).toHaveText("Row 7, column 11: 1000000.0");
  // A drag moves it.
  const [from] = await shownPart(page);
  await page.mouse.move(...cell(20, 40));
  await page.mouse.down();
  await page.mouse.move(...cell(20, 30), { steps: 5 });
  await page.mouse.up();
  await expect.poll(async () => (await shownPart(page))[0]).toBeGreaterThan(from);

  await page.mouse.move(0, 0);
  await page.locator("#explorer").focus();
  await page.keyboard.press("0");
  await expect.poll(() => width(page)).toBe(WIDTH);
  await page.mouse.move(...cell(10, 10));
  await expect(readout).toHaveText("Row 10, column 10: 1010.0");
  await page.mouse.move(0, 0);
  await page.keyboard.press("ArrowDown");
  await expect(readout).toHaveText("Row 11, column 10: 1110.0");
  await page.keyboard.press("ArrowRight");
  await expect(readout).toHaveText("Row 11, column 11: 1111.0");
  await page.keyboard.press("Enter");
  await expect(page.locator("#values [data-marked]")).toContainText("11, 11");
  await expect(page).toHaveURL(/index=671$/);
});

test("a cursor that moved while a picture was rendered stays where it is", async ({ page, server }) => {
  const id = await averaged(server, table, [ROWS, WIDTH]);
  let release = () => {};
  let isHeld = false;
  // A picture, and no value below the cursor.
  await page.route(/\/view\?(?!.*at=)/, async (route) => {
    isHeld = true;
    await new Promise<void>((resolve) => (release = resolve));
    await route.continue();
  });
  await page.goto(`/jobs/${id}`);
  await page.locator("#explorer").scrollIntoViewIfNeeded();
  const box = (await page.locator("#explorer [data-area]").boundingBox())!;
  const readout = page.locator(".readout");
  await page.mouse.move(box.x + box.width / 8, box.y + box.height / 8);
  await expect(readout).toHaveText(/^Row \d+, column \d+: [\d.]+$/);
  await page.locator("#explorer").focus();
  await page.keyboard.press("+");
  await expect.poll(() => isHeld).toBe(true);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.move(0, 0);
  const before = await readout.innerText();
  release();
  await expect(readout).not.toHaveText(before);
  await expect(readout).toHaveText(/^Row \d+, column \d+: [\d.]+$/);
  const [, row, column] = /^Row (\d+), column (\d+)/.exec(await readout.innerText())!;
  await page.keyboard.press("ArrowDown");
  await expect(readout).toHaveText(new RegExp(`^Row ${Number(row) + 1}, column ${column}: `));
});

for (const [screen, viewport] of Object.entries({ wide: { width: 1600, height: 900 }, phone: { width: 360, height: 740 } })) {
  for (const colorScheme of ["light", "dark"] as const) {
    test.describe(`on a ${screen} screen in ${colorScheme} colours`, () => {
      test.use({ viewport, colorScheme });

      test("results, images and comparisons fit and are readable", async ({ page, server }, info) => {
        test.slow();
        const line = await averaged(server, wave, [COLUMNS], ["max", "std"]);
        const image = await averaged(server, table, [ROWS, WIDTH], ["std"]);
        const changed = table.slice();
        changed[5] = 77;
        const other = await averaged(server, changed, [ROWS, WIDTH]);
        const pages = {
          line: `/jobs/${line}?from=69990&to=70010&index=70001`,
          image: `/jobs/${image}?index=431`,
          compare: `/jobs/${image}/compare/${other}`,
        };
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(path);
          await page.waitForLoadState("load");
          expect(await scrollsHorizontally(page), `${name} scrolls horizontally`).toBe(false);
          expect(await layoutErrors(page), `layout errors of ${name}`).toEqual([]);
          const picture = join(info.project.outputDir, "pictures", `result-${name}-${screen}-${colorScheme}.png`);
          await page.screenshot({ path: picture, fullPage: true });
        }
      });
    });
  }
}
