// The check of layouts finds what it is made to find.

import { expect, test } from "@playwright/test";
import { layoutErrors } from "../layout.ts";

const document = (body: string) =>
  `<!doctype html><html lang="en"><title>A page</title><main style="background: #fff; color: #000">${body}</main></html>`;

for (const [what, body, found] of [
  ["nothing wrong", "<h1>Title</h1><p>Text <b>with</b> parts</p>", []],
  ["a text that is cut off", '<h1>T</h1><div style="width: 60px; overflow: hidden; white-space: nowrap">very long text</div>', [/"very long text" is cut off/]],
  ["a text that leaves the screen", '<h1>T</h1><p style="margin-left: -80px">very long text</p>', [/"very long text" leaves the screen/]],
  ["texts over each other", '<h1>T</h1><p style="height: 4px; margin: 0">one line</p><p style="margin: 0">another</p>', [/"one line" and "another" overlap/]],
  ["a colour too pale to read", '<h1>T</h1><p style="color: #ccc">pale</p>', [/^color-contrast: p/]],
  ["a field without a name", '<h1>T</h1><input type="text">', [/^label: input/]],
  ["texts that are meant to be cut", '<h1>T</h1><div style="width: 60px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis">very long text</div>', []],
] as [string, string, RegExp[]][]) {
  test(`${what} is ${found.length === 0 ? "accepted" : "an error"}`, async ({ page }) => {
    await page.setContent(document(body));
    const all = await layoutErrors(page);
    expect(all.length, all.join("\n")).toBe(found.length);
    found.forEach((pattern, at) => expect(all[at]).toMatch(pattern));
  });
}
