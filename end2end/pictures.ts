// Makes pictures of pages the same on every machine and at every time.

import { type Page } from "@playwright/test";
import { blockFont } from "./blocks.ts";

const FONT = blockFont().toString("base64");

/**
 * Texts whose length depends on when the picture is made, or on the machine, take room of a
 * fixed size and are not drawn. Lines that are dashed or dotted are drawn differently by
 * different versions of a browser.
 */
const STEADY = `
  *, ::before, ::after { font-family: Blocks !important; letter-spacing: 0 !important; }
  .job-row time { display: block; height: 1.25rem; overflow: hidden; visibility: hidden; }
  .connection, .shared-memory { visibility: hidden; }
`;

/** Draws the page with the font of blocks. */
export async function steady(page: Page): Promise<void> {
  await page.evaluate(
    async ({ font, style }) => {
      // A font and a style sheet that are made by a script are not loaded: the content
      // security policy of the page allows no others.
      const bytes = Uint8Array.from(atob(font), (letter) => letter.charCodeAt(0));
      document.fonts.add(await new FontFace("Blocks", bytes).load());
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(style);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
      await document.fonts.ready;
    },
    { font: FONT, style: STEADY },
  );
}
