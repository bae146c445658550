// The pages look as they are meant to: pictures of them are compared with those in
// `pictures`. Texts are drawn as blocks (`blocks.ts`), so that fonts do not matter, and the
// jobs are those of the store that is kept in `store`, so that figures do not change.
//
// After a change that is meant, look at the pictures in `test-results`, and make anew those
// that are kept:
//
//     cd end2end && node_modules/.bin/playwright test pictures --update-snapshots
//
// `PAGE=home` leaves it at those of one page.
//
// The kept store is that of a server that has computed the jobs of `keep-store.ts`. It need not
// be made anew unless other jobs are to be seen:
//
//     cd end2end && KEEP_STORE=1 node_modules/.bin/playwright test pictures -g kept

import { type Page } from "@playwright/test";
import { keepStore } from "../keep-store.ts";
import { steady } from "../pictures.ts";
import { type Server } from "../server.ts";
import { expect, test } from "../test.ts";

test.use({ store: "store", timezoneId: "UTC", locale: "en-GB" });

/**
 * What pictures are made of: the name of a page, and its address. A name in braces stands for
 * the id of the job of that name in the kept store.
 */
const PAGES: Record<string, string> = {
  home: "/",
  "new-job-from-files": "/?source=prefix&prefix=in/",
  "new-job-refused": "/?source=prefix&snippets=shown",
  "new-job-planned": "/?source=generate&files=40&count=10000&plan=shown",
  "new-job-commands": "/?source=generate&files=40&count=10000&snippets=shown",
  history: "/jobs",
  "history-failed": "/jobs?status=failed",
  "history-none": "/jobs?q=nothing-is-called-this",
  selected: "/jobs/selected?action=delete&job={Demo}&job={Failed}",
  files: "/files",
  folder: "/files?prefix=in/",
  demo: "/jobs/{Demo}",
  run: "/jobs/{Demo}/run",
  attempt: "/jobs/{Demo}/run?attempt=0.2.0-1",
  tasks: "/jobs/{Demo}/tasks",
  task: "/jobs/{Demo}/tasks/0.2.0",
  inputs: "/jobs/{Demo}/inputs",
  log: "/jobs/{Demo}/log",
  image: "/jobs/{Image}?index=100",
  curve: "/jobs/{Curve}?statistic=max&from=40&to=90&index=50",
  compare: "/jobs/{Demo}/compare/{Demo}",
  failed: "/jobs/{Failed}",
  cancelled: "/jobs/{Cancelled}",
  // Not one of the two that are there: what is told of them depends on the machine.
  worker: "/workers/worker-3",
  missing: "/jobs/nothing",
  components: "/dev/components",
};

/** The pages with something that is not there: a job, and the results of the jobs of components. */
const MISSING = ["missing", "components"];

/** The ids of the jobs in the kept store, by the first word of their names. */
async function keptJobs(server: Server): Promise<Map<string, string>> {
  const { jobs } = (await (await fetch(`${server.url}/api/jobs`)).json()) as { jobs: { id: string; request: { name: string } }[] };
  return new Map(jobs.map(({ id, request }) => [/^\w+/.exec(request.name)![0], id]));
}

/** The pictures: how the browser is, and the pages. */
const PICTURES: Record<string, { use: Parameters<typeof test.use>[0]; pages: string[] }> = {
  wide: { use: { viewport: { width: 1280, height: 900 } }, pages: Object.keys(PAGES) },
  phone: {
    use: { viewport: { width: 360, height: 740 } },
    pages: ["home", "history", "demo", "run", "image", "failed", "worker", "components"],
  },
  dark: {
    use: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
    pages: ["home", "demo", "run", "image", "components"],
  },
  forced: {
    use: { viewport: { width: 1280, height: 900 }, contextOptions: { forcedColors: "active" } },
    pages: ["demo", "run", "components"],
  },
  "very-wide": { use: { viewport: { width: 3840, height: 2160 } }, pages: ["home", "demo"] },
  "no-script": {
    use: { viewport: { width: 1280, height: 900 }, javaScriptEnabled: false },
    pages: ["home", "run", "curve"],
  },
};

if (process.env.KEEP_STORE) {
  test.describe("before there is one", () => {
    test.use({ store: undefined });
    test("the kept store is made anew", () => keepStore("store"));
  });
}

/** Opens a page, and waits until nothing on it changes any more. */
async function open(page: Page, name: string, jobs: Map<string, string>, hasScript: boolean): Promise<void> {
  await page.goto(PAGES[name]!.replaceAll(/\{(\w+)\}/g, (_, job: string) => jobs.get(job)!));
  // Of the components, one is a connection that waits.
  if (hasScript && name !== "components" && (await page.locator(".connection").count()) > 0) {
    await expect(page.locator(".connection").first()).not.toHaveAttribute("data-state", "waiting");
  }
  await steady(page);
}

for (const [kind, { use, pages }] of Object.entries(PICTURES)) {
  test.describe(kind, () => {
    test.use({ ...use, expectedStatuses: pages.some((name) => MISSING.includes(name)) ? [404] : [] });

    test(`${kind} pages look as they are meant to`, async ({ page, javaScriptEnabled, server }) => {
      // Far more than they take, but on a machine that does much else.
      test.setTimeout(30_000 * pages.length);
      const jobs = await keptJobs(server);
      for (const name of pages.filter((name) => name === (process.env.PAGE ?? name))) {
        await open(page, name, jobs, javaScriptEnabled);
        // All differences of one run.
        await expect.soft(page).toHaveScreenshot(`${kind}-${name}.png`, { fullPage: true });
      }
    });
  });
}

test("a picture tells a bar that is four pixels higher, and a badge of another colour", async ({ page, server }) => {
  const jobs = await keptJobs(server);
  const picture = "wide-demo.png";
  for (const [selector, style] of [["progress.whole", "height: 20px"], [".badge", "background: gold"]] as const) {
    await open(page, "demo", jobs, true);
    await page.locator(selector).first().evaluate((element, style) => element.setAttribute("style", style), style);
    await expect(page).not.toHaveScreenshot(picture, { fullPage: true, timeout: 5_000 });
  }
});
