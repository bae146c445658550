// A user's own files: brought by the browser, seen, averaged and deleted, without a terminal.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Page } from "@playwright/test";
import { expectPhase, shownNumbers, start } from "../pages.ts";
import { expect, test, withAndWithoutJavaScript } from "../test.ts";

/** Text files whose mean is 2, 3. */
const FILES = ["1,2", "2,3", "3,4"].map((text, file) => ({
  name: `run ${file}#.csv`,
  mimeType: "text/csv",
  buffer: Buffer.from(`${text}\n`),
}));

/** Waits until scripts hear what is done with the page: the events begin after that. */
const listening = (page: Page) => expect(page.locator(".connection")).toHaveAttribute("data-state", "live");

test("files that are chosen in the form of a new job are averaged", async ({ page }) => {
  await page.goto("/");
  await listening(page);
  await page.locator('input[name="form[source]"][value="prefix"]').check({ force: true });
  await page.getByLabel("Choose files").setInputFiles(FILES);
  await expect(page.locator(".upload-summary")).toHaveText(/^3\sfiles stored, 12\sB\.$/);
  await expect(page.locator("#prefix")).toHaveValue(/^uploads\/\d{4}-\d\d-\d\d-\d{6}\/$/);
  await start(page);
  await expectPhase(page, "done");
  expect(await shownNumbers(page)).toEqual(["2.0", "3.0"]);
});

test("files that are dropped beside the zone do not replace the page", async ({ page }) => {
  await page.goto("/");
  await listening(page);
  const files = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    for (const text of ["1,2", "3,4"]) {
      transfer.items.add(new File([`${text}\n`], `${text}.csv`));
    }
    return transfer;
  });
  await page.dispatchEvent("h1", "dragover", { dataTransfer: files });
  await expect(page.locator(".drop-zone")).toHaveAttribute("data-over", "true");
  // The page stays, and shows what is about stored files.
  const isLeft = await page.evaluate(
    (transfer) => document.querySelector("h1")!.dispatchEvent(
      new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }),
    ),
    files,
  );
  expect(isLeft, "the browser would open the file").toBe(false);
  await expect(page.locator('input[name="form[source]"][value="prefix"]')).toBeChecked();
});

test("a folder that is dragged over the page shows where it goes, and is averaged", async ({ page }) => {
  const folder = await mkdtemp(join(tmpdir(), "dragged-"));
  await mkdir(join(folder, "late"));
  await writeFile(join(folder, "a.csv"), "1,5\n");
  await writeFile(join(folder, "late", "b.csv"), "3,6\n");
  await page.goto("/");
  await listening(page);
  await expect(page.locator(".drop-zone")).toBeHidden();
  // As the system does it: a page cannot make files of a folder by itself.
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  const drag = (type: "dragEnter" | "dragOver" | "drop") =>
    session.send("Input.dispatchDragEvent", { type, x: 700, y: 300, data });
  await drag("dragEnter");
  await drag("dragOver");
  await expect(page.locator(".drop-zone")).toBeInViewport();
  await expect(page.locator(".drop-zone")).toHaveAttribute("data-over", "true");
  await drag("drop");
  await expect(page.locator(".upload-summary")).toHaveText(/^2\sfiles stored/);
  // However long the form is.
  await expect(page.getByRole("button", { name: "Start job" })).toBeInViewport({ ratio: 1 });
  await start(page);
  await expectPhase(page, "done");
  expect(await shownNumbers(page)).toEqual(["2.0", "5.5"]);
  await rm(folder, { recursive: true });
});

test("a folder is brought with the folders in it, without hidden files", async ({ page }) => {
  const folder = await mkdtemp(join(tmpdir(), "chosen-"));
  await mkdir(join(folder, "runs", "late"), { recursive: true });
  await writeFile(join(folder, "runs", "a.csv"), "1\n");
  await writeFile(join(folder, "runs", "late", "b.csv"), "3\n");
  await writeFile(join(folder, "runs", ".hidden"), "no numbers\n");
  await page.goto("/");
  await listening(page);
  await page.locator('input[name="form[source]"][value="prefix"]').check({ force: true });
  await page.locator("#upload-folder").fill("mine");
  await page.getByLabel("Choose a folder").setInputFiles(join(folder, "runs"));
  await expect(page.locator(".upload-summary")).toHaveText(/^2\sfiles stored/);
  await expect(page.locator("#prefix")).toHaveValue("mine/");
  await start(page);
  await expectPhase(page, "done");
  expect(await shownNumbers(page)).toEqual(["2.0"]);
  await page.goto("/files?prefix=mine/runs/");
  await expect(page.locator("table.files")).toContainText("late/");
  await expect(page.locator("table.files")).not.toContainText(".hidden");
  await rm(folder, { recursive: true });
});

test("an upload that is cut off is sent again", async ({ browser, server }) => {
  // Not of the fixture: the browser logs what is cut off as an error.
  const context = await browser.newContext({ baseURL: server.url });
  const page = await context.newPage();
  let cuts = 0;
  await page.route("**/api/files/**", async (route) => {
    if (cuts < 3) {
      cuts += 1;
      await route.abort("connectionreset");
    } else {
      await route.continue();
    }
  });
  await page.goto("/files");
  await page.locator("#upload-folder").fill("in");
  await page.getByLabel("Choose files").setInputFiles(FILES);
  await page.waitForURL(/\/files\?prefix=in%2F/);
  await expect(page.locator("table.files tbody tr")).toHaveCount(3);
  expect(cuts).toBe(3);
  await context.close();
});

test("a large upload that is cut off in its midst goes on where it was", async ({ browser, server }) => {
  const PART = 8 << 20;
  const content = Buffer.alloc(20 << 20, "1,2,3,4,5,6,7\n");
  // Between the browser and the server: cuts everything in the midst of the second part, and
  // lets nothing pass until it is told.
  let passed = 0;
  let isCut = false;
  const between = createServer((client) => {
    const onward = connect(Number(new URL(server.url).port), "127.0.0.1");
    const end = () => [client, onward].forEach((socket) => socket.destroy());
    [client, onward].forEach((socket) => socket.on("error", end).on("close", end));
    onward.pipe(client);
    if (isCut) {
      end();
    }
    client.on("data", (bytes) => {
      passed += bytes.length;
      isCut ||= passed > PART + PART / 2 && passed < 2 * PART;
      if (isCut) {
        end();
      } else {
        onward.write(bytes);
      }
    });
  });
  await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
  const { port } = between.address() as AddressInfo;
  // Not of the fixture: the browser logs what is cut off as an error.
  const context = await browser.newContext({ baseURL: `http://127.0.0.1:${port}` });
  const page = await context.newPage();
  const sent: { path: string; digest: string | undefined }[] = [];
  page.on("request", (request) => {
    if (request.method() === "PUT") {
      sent.push({ path: request.url(), digest: request.headers()["content-digest"] });
    }
  });
  await page.goto("/files");
  passed = 0;
  const file = { name: "large.csv", mimeType: "text/csv", buffer: content };
  await page.getByLabel("Choose files").setInputFiles([file]);
  await expect(page.locator("li.upload")).toHaveAttribute("data-state", "waiting");
  expect(isCut).toBe(true);
  passed = 2 * PART;
  isCut = false;
  await page.waitForURL(/\/files\?prefix=/);
  const folder = new URL(page.url()).searchParams.get("prefix");
  for (const { path, digest } of sent) {
    expect(path).toMatch(/\/api\/uploads\/[0-9a-f]{32}\?offset=\d+$/);
    expect(digest).toMatch(/^sha-256=:[\w+/]{43}=:$/);
  }
  const offsets = sent.map(({ path }) => Number(new URL(path).searchParams.get("offset")));
  expect(offsets, "the first part is sent once").toEqual([0, PART, PART, 2 * PART]);
  const stored = await fetch(`${server.url}/api/files/${folder}large.csv`);
  expect(Buffer.from(await stored.arrayBuffer()).equals(content)).toBe(true);
  await context.close();
  await new Promise((resolve) => between.close(resolve));
});

withAndWithoutJavaScript((javaScriptEnabled) => {
  test("files are browsed, used and deleted", async ({ page, server }) => {
    await server.upload("keep/a.csv", "5\n");
    if (javaScriptEnabled) {
      await server.upload("in/a.csv", "1\n");
      await server.upload("in/b.csv", "2\n");
      await page.goto("/files");
    } else {
      await page.goto("/files");
      await page.locator("#form-folder").fill("in");
      await page.locator("#form-files").setInputFiles(
        ["1", "2"].map((text, file) => ({ name: `${file}.csv`, mimeType: "text/csv", buffer: Buffer.from(text) })),
      );
      await page.getByRole("button", { name: "Upload" }).click();
      await expect(page.locator("table.files tbody tr")).toHaveCount(2);
      await page.getByRole("link", { name: "Store" }).click();
    }
    // The program's own objects are not shown.
    await expect(page.locator("table.files tbody tr")).toHaveCount(2);
    await page.getByRole("link", { name: "in/" }).click();
    await expect(page.locator("#folder-heading + .hint")).toHaveText(/^2\sfiles/);
    await page.getByRole("link", { name: "Use this folder" }).click();
    await expect(page.locator("#prefix")).toHaveValue("in/");
    await start(page);
    await page.waitForURL(/\/jobs\//);
    const id = new URL(page.url()).pathname.split("/")[2]!;
    await server.over(id);
    await page.reload();
    expect(await shownNumbers(page)).toEqual(["1.5"]);

    await page.goto("/files");
    const row = page.locator("tr", { hasText: "in/" });
    await row.locator("summary").click();
    await row.getByRole("button", { name: "Delete permanently" }).click();
    await expect(page.locator("table.files tbody tr")).toHaveCount(1);
    await expect(page.locator("table.files")).toContainText("keep/");
  });
});
