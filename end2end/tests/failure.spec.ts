// Errors that the pages show.

import { expectPhase, shownNumbers, submit } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("text that is not a number is reported with its object and line", async ({ page, server }) => {
    await server.upload("inputs/good.csv", "1,2,3\n4,5,6\n");
    await server.upload("inputs/headed.csv", "1,2,3\n4,fünf,6\n");
    const id = await submit(page, { source: "prefix", prefix: "inputs/" });
    await server.over(id);
    if (!javaScriptEnabled) {
      await page.reload();
    }
    await expectPhase(page, "failed");
    const problem = page.getByRole("alert").first();
    await expect(problem).toContainText("inputs/headed.csv");
    await expect(problem).toContainText("line 2");
    await expect(problem).toContainText("fünf");
  });

  test("the input that a job failed of is marked among the others", async ({ page, server }) => {
    // Too long for its beginning to tell that the end is wrong.
    const numbers = `${"1,2,3,4,5,6,7,8\n".repeat(100_000)}`;
    await server.upload("inputs/good.csv", `${numbers}9`);
    await server.upload("inputs/wrong.csv", `${numbers}x`);
    const id = await server.submit({ inputs: { prefix: "inputs/" } });
    expect((await server.over(id)).phase).toBe("failed");
    await page.goto(`/jobs/${id}/inputs`);
    await expect(page.locator('tr:has([data-state="failed"])')).toContainText("inputs/wrong.csv");
    await expect(page.locator('[data-state="failed"]:text-is("wrong")')).toHaveCount(1);
  });

  test("files of different lengths are reported with their lengths", async ({ page, server }) => {
    await server.upload("inputs/three.csv", "1,2,3");
    await server.upload("inputs/four.csv", "1,2,3,4");
    const id = await submit(page, { source: "prefix", prefix: "inputs/" });
    await server.over(id);
    if (!javaScriptEnabled) {
      await page.reload();
    }
    await expectPhase(page, "failed");
    const problem = page.getByRole("alert").first();
    for (const words of ["three.csv", "four.csv", "3", "4"]) {
      await expect(problem).toContainText(words);
    }
  });

  test("a prefix without files is reported", async ({ page, server }) => {
    const id = await submit(page, { source: "prefix", prefix: "nothing/here/" });
    await server.over(id);
    if (!javaScriptEnabled) {
      await page.reload();
    }
    await expectPhase(page, "failed");
    await expect(page.getByRole("alert").first()).toContainText("nothing/here/");
  });

  test.describe("at a link to an unknown job", () => {
    test.use({ expectedStatuses: [404] });

    test("the page reports it and links to the home page", async ({ page }) => {
      const answer = await page.goto("/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV");
      expect(answer!.status()).toBe(404);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Not found");
      await page.getByRole("link", { name: "Start a job" }).click();
      await expect(page.getByRole("button", { name: "Start job" })).toBeVisible();
    });
  });
});

test("a failed job can be rerun once its files are fixed", async ({ page, server }) => {
  await server.upload("inputs/a.csv", "1\n2\n");
  await server.upload("inputs/b.csv", "3\nfour\n");
  const id = await submit(page, { source: "prefix", prefix: "inputs/" });
  await expectPhase(page, "failed");
  await server.upload("inputs/b.csv", "3\n4\n");
  await page.getByRole("button", { name: "Run again" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/jobs/") && !url.pathname.endsWith(id));
  await expectPhase(page, "done");
  expect(await shownNumbers(page)).toEqual(["2.0", "3.0"]);
});
