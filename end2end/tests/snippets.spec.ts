// The form of a new job and the page of a job show the request with curl, in Python and by the
// command line, which do the same when they are pasted.

import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Page } from "@playwright/test";
import { fillIn } from "../pages.ts";
import { program } from "../server.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

/** Runs a snippet of the page in an empty folder, and returns the mean that it writes. */
async function pasted(page: Page, name: string, run: string[]): Promise<Buffer> {
  const text = (await page.locator(`[data-snippet="${name}"]`).textContent())!;
  const folder = await mkdtemp(join(tmpdir(), "distributed-average-"));
  try {
    const path = `${dirname(program)}:${process.env.PATH}`;
    const { status, stderr } = spawnSync(run[0]!, [...run.slice(1), text], {
      cwd: folder,
      env: { ...process.env, PATH: path },
      encoding: "utf8",
    });
    expect(status, `${text}\n${stderr}`).toBe(0);
    return await readFile(join(folder, "mean.npy"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs all snippets of the page. */
async function allPasted(page: Page): Promise<Buffer[]> {
  return [
    await pasted(page, "curl", ["sh", "-euc"]),
    await pasted(page, "python", ["python3", "-c"]),
    await pasted(page, "command", ["sh", "-euc"]),
  ];
}

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("what the form asks for can be pasted, and gives the same mean", async ({ page, server }) => {
    test.slow();
    await fillIn(page, { source: "generate", files: "7", count: "50", seed: "3", name: "it's 100 % \"mine\"" });
    await page.locator("#snippets summary").click();
    await page.getByRole("button", { name: "Show what is filled in now" }).click();
    await expect(page.locator("#snippets")).toHaveAttribute("open");
    await expect(page.locator('input[name="form[files]"]')).toHaveValue("7");
    const [first, ...others] = await allPasted(page);
    for (const other of others) {
      expect(other.equals(first!)).toBe(true);
    }
    if (javaScriptEnabled) {
      return;
    }
    // And so can what a job of files in the store was asked, from its page.
    await server.upload("rain & sun/1950.csv", "1,2,3\n");
    await server.upload("rain & sun/1951.csv", "3,4,6\n");
    const id = await server.submit({ inputs: { prefix: "rain & sun/" }, statistics: ["sum"] });
    await server.over(id);
    await page.goto(`/jobs/${id}`);
    await page.locator("#request summary").click();
    const result = Buffer.from(await server.result(id));
    for (const name of ["curl", "python"]) {
      const again = await pasted(page, name, name === "python" ? ["python3", "-c"] : ["sh", "-euc"]);
      expect(again.equals(result), name).toBe(true);
    }
  });
});

test("a form that cannot be submitted says so instead", async ({ page }) => {
  await page.goto("/?source=prefix&snippets=shown");
  await expect(page.locator("#snippets")).toContainText("The prefix is missing.");
});
