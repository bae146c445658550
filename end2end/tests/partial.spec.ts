// While a job runs, its page shows the mean of the columns that are complete, and moves nothing.

import { npyFile } from "../npy.ts";
import { expectPhase, moved, noteShifts } from "../pages.ts";
import { type JobRequest, type Server } from "../server.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

/** One level: the final segments appear one after another, each task being the root. */
const REQUEST = { inputs: { generate: { files: 5, count: 400_000, format: "npy" as const } }, workers: 1, fan_in: 5 };
/** The same with two dimensions, of which the first segment is about two thirds of the rows. */
const SHAPE = [800, 500];

/** Uploads inputs of two dimensions, and returns the request of their mean. */
async function uploaded(server: Server): Promise<JobRequest> {
  const numbers = Array.from({ length: SHAPE[0]! * SHAPE[1]! }, (_, at) => at % SHAPE[1]!);
  for (let file = 0; file < 5; file++) {
    await server.upload(`in/${file}.npy`, npyFile(numbers, SHAPE));
  }
  return { ...REQUEST, inputs: { prefix: "in/" } };
}

test.describe("while a slow job runs", () => {
  test.use({ slowness: 1000 });

  withAndWithoutJavaScript((javaScriptEnabled) => {
    test("the mean of the complete columns is shown as partial", async ({ page, server }) => {
      test.setTimeout(120_000);
      if (javaScriptEnabled) {
        await noteShifts(page);
      }
      // With JavaScript of one dimension, without it of two.
      const id = await server.submit(javaScriptEnabled ? REQUEST : await uploaded(server));
      await page.goto(`/jobs/${id}`);
      if (!javaScriptEnabled) {
        // The page reloads itself every five seconds: look more often.
        await expect
          .poll(
            async () => {
              await page.reload();
              return page.locator(".partial").count();
            },
            { timeout: 60_000 },
          )
          .toBe(1);
      }
      await expect(page.locator(".partial")).toContainText("partial");
      await expect(page.locator(".partial")).toContainText(/\d+ of \d+\sfinal segments/);
      if (javaScriptEnabled) {
        await expect(page.locator(".partial .plot-line")).toHaveAttribute("d", /^M/);
      } else {
        await expect(page.locator(".partial .image-area img")).toHaveAttribute("src", /^data:image\/png;base64,/);
        await expect(page.locator(".partial")).toContainText("not complete yet");
      }
      await expect(page.locator("section.result")).toHaveCount(0);
      await expectPhase(page, "done");
      await expect(page.locator("section.result")).toBeVisible();
      await expect(page.locator(".partial")).toHaveCount(0);
      if (javaScriptEnabled) {
        expect(await moved(page)).toBeLessThan(0.05);
      }
    });
  });
});
