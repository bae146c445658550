// The main use case: a job is submitted by the form, and its result downloaded.

import { readFile } from "node:fs/promises";
import { differences, exactMeans, parseNpy, parseText } from "../exact.ts";
import { npyFile } from "../npy.ts";
import { expectPhase, fillIn, shownNumbers, start, submit } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("a job is submitted by the form, and its .npy is exact bit for bit", async ({ page, server }) => {
    const id = await submit(page, { files: "40", count: "10000", workers: "2", fan_in: "5" });
    if (!javaScriptEnabled) {
      await server.over(id);
      await page.reload();
    }
    await expectPhase(page, "done");

    const rows = (await server.generated(id, "csv")).map(parseText);
    expect(rows.map((row) => row.length)).toEqual(Array(40).fill(10_000));
    const expected = exactMeans(rows);

    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: ".npy" }).click();
    const npy = parseNpy(await readFile(await (await downloading).path()));
    expect(npy.shape).toEqual([10_000]);
    expect(differences(npy.values, expected)).toEqual([]);

    // All digits: JavaScript prints the shortest text, too.
    const first = await shownNumbers(page);
    expect(first.length).toBeGreaterThan(0);
    expect(first.map(Number)).toEqual(Array.from(expected.subarray(0, first.length)));
    expect(first).toEqual(Array.from(expected.subarray(0, first.length), String));
  });

  test("an invalid field is reported, and the form keeps what was typed", async ({ page }) => {
    await fillIn(page, { files: "forty", count: "123", name: "forty files" });
    await start(page);
    const field = page.locator('[data-field="files"]');
    await expect(field).toContainText("“forty” is not one");
    await expect(page.locator('input[name="form[files]"]')).toHaveValue("forty");
    await expect(page.locator('input[name="form[count]"]')).toHaveValue("123");
    await expect(page.locator('input[name="form[name]"]')).toHaveValue("forty files");
    expect(new URL(page.url()).pathname).toBe("/");
  });

  test("the result of files in the store has their shape, and a small result is shown completely", async ({ page, server }) => {
    const rows = Array.from({ length: 7 }, (_, file) =>
      Array.from({ length: 6 }, (_, column) => (file + 1) / (column + 3)),
    );
    for (const [file, row] of rows.entries()) {
      await server.upload(`inputs/small/${file}.npy`, npyFile(row, [2, 3]));
    }
    const id = await submit(page, { source: "prefix", prefix: "inputs/small/", fan_in: "auto" });
    await server.over(id);
    await page.reload();
    await expectPhase(page, "done");
    const npy = parseNpy(await server.result(id));
    expect(npy.shape).toEqual([2, 3]);
    expect(differences(npy.values, exactMeans(rows))).toEqual([]);
    await expect(page.locator(".first-numbers li")).toHaveCount(6);
    // The store tells what is in them.
    await page.goto("/files?prefix=inputs/small/");
    const cells = page.locator("table.files tbody tr").first().locator("td");
    await expect(cells.nth(2)).toHaveText("npy f8");
    await expect(cells.nth(3)).toHaveText("2 × 3");
  });

  test("variables are shown before a job is submitted, and one is chosen by a click", async ({ page, server }) => {
    const files = "../../crates/summation/tests/formats/files";
    const netcdf = new Uint8Array(await readFile(new URL(`${files}/netcdf4.nc`, import.meta.url)));
    for (const name of ["a", "b"]) {
      await server.upload(`inputs/variables/${name}.nc`, netcdf);
    }
    await fillIn(page, { source: "prefix", prefix: "inputs/variables/" });
    await page.getByRole("button", { name: "Show plan" }).click();
    const plan = page.locator("#plan");
    await expect(plan).toContainText("13 variables");
    // So many are listed once they are asked for.
    await plan.locator("details.tensors > summary").click();
    await expect(plan.getByRole("row", { name: /^tas / })).toContainText("float");
    await plan.getByRole("link", { name: "Leave out plain", exact: true }).click();
    await expect(plan).toContainText("12 variables");
    await plan.getByRole("link", { name: "Only tas", exact: true }).click();
    await expect(plan).toContainText("1 variable");
    await start(page);
    await page.waitForURL(/\/jobs\/[0-9A-Z]{26}$/);
    const id = new URL(page.url()).pathname.split("/")[2]!;
    await server.over(id);
    const npy = parseNpy(await server.result(id));
    expect(Array.from(npy.values)).toEqual(Array.from({ length: 60 }, (_, number) => number));
  });
});

test("the plan follows what is typed", async ({ page, server }) => {
  const plan = page.locator(".plan-line");
  await page.goto("/");
  await page.locator('input[name="form[source]"][value="generate"]').check({ force: true });
  await expect(plan).toHaveText(/\sfiles? × /);
  await page.locator('input[name="form[files]"]').fill("20");
  await page.locator('input[name="form[count]"]').fill("4096");
  await page.locator('input[name="form[fan_in]"]').fill("5");
  await expect(plan).toHaveText(/^20\sfiles × 4,096, 5\stasks in 2\slevels, .+, .+ a worker$/);
  // What cannot be is told without a loud message.
  await page.locator('input[name="form[files]"]').fill("none");
  await expect(plan).not.toContainText("levels");
  await expect(plan).not.toBeEmpty();

  // Stored files are looked for once the page is there.
  await server.upload("in/a.npy", npyFile([1, 2, 3, 4], [2, 2]));
  await page.goto("/?source=prefix&prefix=in/");
  await expect(plan).toHaveText(/^1\sfile × 2 × 2, /);
  await page.locator('input[name="form[prefix]"]').fill("elsewhere/");
  await expect(plan).toContainText("elsewhere/");
});
