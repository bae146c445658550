// The history is live: nothing jumps, nothing is missed, and it is searched without JavaScript.

import { type Page } from "@playwright/test";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";
import { npyFile } from "../npy.ts";
import { type Server } from "../server.ts";

/** Submits small jobs, one after another, and waits for them. */
async function submitAll(server: Server, names: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) {
    const id = await server.submit({ inputs: { generate: { files: 1, count: 5 } }, name });
    await server.over(id);
    ids.push(id);
  }
  return ids;
}

const titles = (page: Page) => page.locator(".job-row-title a").allInnerTexts();
const jobsOf = (page: Page, status: string) => page.locator(`[data-status="${status}"] b`);

test("the bar of ticked jobs is there while some are ticked, and says how many", async ({ page, server }) => {
  await submitAll(server, ["first", "second", "third"]);
  await page.goto("/jobs");
  const bar = page.locator(".selection-bar");
  await expect(bar).toBeHidden();
  await page.getByRole("checkbox", { name: "Select first" }).check();
  await page.getByRole("checkbox", { name: "Select third" }).check();
  await expect(bar).toBeVisible();
  // What a style sheet counts is not in the document.
  const client = await page.context().newCDPSession(page);
  const { nodes } = await client.send("Accessibility.getFullAXTree");
  const told = nodes.filter((node) => node.role?.value === "StaticText").map((node) => String(node.name?.value));
  expect(told.slice(told.indexOf("Ticked jobs:")).slice(0, 3).join("")).toMatch(/^Ticked jobs:\s+2$/);
  await page.getByRole("checkbox", { name: "Select first" }).uncheck();
  await page.getByRole("checkbox", { name: "Select third" }).uncheck();
  await expect(bar).toBeHidden();
});

test("new jobs are announced and do not move what is read", async ({ page, server }) => {
  const [first] = await submitAll(server, ["first", "second"]);
  await page.goto("/jobs");
  await expect(page.locator(".connection")).toHaveAttribute("data-state", "live");
  expect(await titles(page)).toEqual(["second", "first"]);
  await expect(page.locator(".new-jobs a")).toBeHidden();
  await expect(jobsOf(page, "done")).toHaveText("2");

  await submitAll(server, ["third", "fourth", "fifth"]);
  await expect(page.locator(".new-jobs a")).toHaveText(/^Show 3\snew jobs$/);
  expect(await titles(page)).toEqual(["second", "first"]);
  await expect(jobsOf(page, "done")).toHaveText("5");
  await server.purge(first!);
  await expect(jobsOf(page, "all")).toHaveText("4");
  expect(await titles(page)).toEqual(["second"]);

  await page.locator(".new-jobs a").click();
  await expect(page.locator(".new-jobs a")).toBeHidden();
  await expect.poll(() => titles(page)).toEqual(["fifth", "fourth", "third", "second"]);
});

test("a row that changed while the server was away is looked up", async ({ browser, server }) => {
  const context = await browser.newContext({ baseURL: server.url });
  const page = await context.newPage();
  // More than the events tell of at once.
  const ids = await submitAll(server, Array.from({ length: 60 }, (_, number) => `job ${number}`));
  await page.goto(`/jobs?before=${ids[10]}`);
  await expect(page.locator(".connection")).toHaveAttribute("data-state", "live");
  expect((await titles(page)).length).toBe(10);
  await server.kill();
  await expect(page.locator(".away")).not.toBeEmpty();
  await server.restart();
  await server.purge(ids[3]!);
  await expect(page.locator(`[data-job="${ids[3]}"]`)).toHaveCount(0);
  expect((await titles(page)).length).toBe(9);
  await context.close();
});

withAndWithoutJavaScript(() => {
  test("the history is searched and filtered by status", async ({ page, server }) => {
    await submitAll(server, ["ensemble of March", "ensemble of April", "weather"]);
    const failed = await server.submit({ inputs: { prefix: "ensemble/missing/" } });
    await server.over(failed);
    await page.goto("/jobs");
    await expect(jobsOf(page, "all")).toHaveText("4");
    await page.getByRole("searchbox").fill("Ensemble");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page.locator(".job-row")).toHaveCount(3);
    await expect(page.getByRole("searchbox")).toHaveValue("Ensemble");
    await expect(jobsOf(page, "failed")).toHaveText("1");
    await page.locator('[data-status="failed"]').click();
    await expect(page.locator(".job-row")).toHaveCount(1);
    await expect(page.locator(`[data-job="${failed}"]`)).toBeVisible();
    await expect(page.locator('[data-status="failed"]')).toHaveAttribute("aria-current", "true");
    await expect(page.getByRole("searchbox")).toHaveValue("Ensemble");
  });

  test("a search without hits says what was searched for, and is cleared", async ({ page, server }) => {
    await submitAll(server, ["weather"]);
    await page.goto("/jobs?q=zzzz");
    await expect(page.locator(".history .empty")).toHaveText(/^No job matches 'zzzz'\./);
    await page.getByRole("link", { name: "Clear the search" }).click();
    await page.waitForURL(/\/jobs$/);
    await expect(page.locator(".job-row")).toHaveCount(1);
    await expect(page.locator(".history .empty")).toBeHidden();
    await page.goto("/jobs?status=failed");
    await expect(page.locator(".history .empty")).toHaveText("No failed jobs.");
  });

  test("ticked jobs are compared, cancelled and deleted, and the page asks first", async ({ page, server }) => {
    const [first, second] = await submitAll(server, ["first", "second", "third"]);
    const tick = async (...names: string[]) => {
      await page.goto("/jobs");
      for (const name of names) {
        await page.getByRole("checkbox", { name: `Select ${name}`, exact: true }).check();
      }
    };
    const press = (name: string | RegExp) => page.getByRole("button", { name, exact: true }).click();
    await tick("second", "first");
    await press("Compare");
    await page.waitForURL(`**/jobs/${first}/compare/${second}`);
    await tick("first");
    await press("Compare");
    await expect(page.locator(".selected")).toContainText("Tick two in the list");

    const paced = await server.submit({
      inputs: { generate: { files: 100, count: 4096 } }, workers: 1, paced: true, name: "long",
    });
    await tick("long", "second");
    await press("Delete");
    await expect(page.locator(`.selected-jobs [data-job="${paced}"]`)).toContainText("cancel it first");
    await expect(page.locator(`.selected-jobs [data-job="${second}"]`)).toHaveAttribute("data-ready", "true");
    await page.getByRole("link", { name: "Back to the list" }).click();
    await tick("long", "second");
    await press("Cancel");
    await expect(page.locator(`.selected-jobs [data-job="${second}"]`)).toContainText("is done already");
    await press(/^Cancel 1\sjob$/);
    await page.waitForURL(/\/jobs$/);
    expect((await server.over(paced)).phase).toBe("cancelled");

    await page.goto("/jobs?status=done");
    for (const name of ["first", "second"]) {
      await page.getByRole("checkbox", { name: `Select ${name}`, exact: true }).check();
    }
    await press("Delete");
    await press(/^Delete 2\sjobs permanently$/);
    await page.waitForURL(/\/jobs\?status=done$/);
    await expect(page.locator(".job-row-title a")).toHaveText(["third"]);
  });

  test("jobs are ticked on the home page too", async ({ page, server }) => {
    const [first, second] = await submitAll(server, ["first", "second"]);
    await page.goto("/");
    const compare = page.getByRole("button", { name: "Compare", exact: true });
    await expect(compare).toBeHidden();
    for (const name of ["first", "second"]) {
      await page.getByRole("checkbox", { name: `Select ${name}`, exact: true }).check();
    }
    await compare.click();
    await page.waitForURL(`**/jobs/${first}/compare/${second}`);
  });
});

withAndWithoutJavaScript(() => {
  test("a job is a row of 36 pixels, with what its result looks like", async ({ page, server }) => {
    await server.upload("in/a.npy", npyFile([0, 1, 2, 3, 4, 5], [2, 3]));
    const image = await server.submit({ inputs: { prefix: "in/" }, name: "a name that is much too long for the column ".repeat(3) });
    await server.over(image);
    const [plot] = await submitAll(server, ["plot"]);
    const failed = await server.submit({ inputs: { prefix: "missing/" } });
    await server.over(failed);
    for (const path of ["/", "/jobs"]) {
      await page.goto(path);
      for (const row of await page.locator(".job-row").all()) {
        expect((await row.boundingBox())!.height).toBeLessThanOrEqual(37);
      }
      // Whole, also in UTC.
      const started = page.locator(".job-row td:nth-child(6)").first();
      expect(await started.evaluate((it) => it.scrollWidth - it.clientWidth)).toBe(0);
      for (const [id, kind] of [[image, "image/png"], [plot!, "image/svg+xml"]] as const) {
        const picture = page.locator(`[data-job="${id}"] img`);
        await expect.poll(() => picture.evaluate((it: HTMLImageElement) => it.naturalWidth)).toBeGreaterThan(0);
        const answer = await page.request.get((await picture.getAttribute("src"))!);
        expect(answer.headers()["content-type"]).toBe(kind);
      }
      await expect(page.locator(`[data-job="${failed}"] img`)).toBeHidden();
      await expect(page.locator(`[data-job="${image}"] td`).nth(3)).toHaveText(/^1\sfile × 2 × 3$/);
    }
    expect((await page.request.get(`/jobs/${failed}/thumbnail`)).status()).toBe(409);
  });
});
