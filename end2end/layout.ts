// Layout and accessibility errors of a page that a program can detect.

import { AxeBuilder } from "@axe-core/playwright";
import { type Page } from "@playwright/test";

/** Texts that are cut off or overlap, and violations that axe finds, colour contrast included. */
export async function layoutErrors(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa"]).analyze();
  const found = violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary}`),
  );
  return [...(await page.evaluate(misplacedTexts)), ...found];
}

/** Runs in the page. */
function misplacedTexts(): string[] {
  /** Overlaps and cuts of up to this many pixels are not visible. */
  const TOLERANCE_PX = 3;
  const found: string[] = [];
  const lines: { text: string; element: Element; box: DOMRect }[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement!;
    if (!node.textContent!.trim() || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      lines.push({ text: node.textContent!.trim(), element, box });
    }
  }

  // For screen readers only, or shortened with an ellipsis.
  const isCutByDesign = (element: Element) => {
    const style = getComputedStyle(element);
    return style.textOverflow === "ellipsis" || style.clipPath !== "none" || style.position === "absolute" && element.clientWidth <= 1;
  };
  const shown = lines.filter(({ element }) => {
    for (let at: Element | null = element; at; at = at.parentElement) {
      if (isCutByDesign(at)) {
        return false;
      }
    }
    return true;
  });

  for (const { text, element, box } of shown) {
    if (box.left < -TOLERANCE_PX || box.right > document.documentElement.clientWidth + TOLERANCE_PX) {
      found.push(`"${text}" leaves the screen`);
    }
    for (let at: Element | null = element; at && at !== document.documentElement; at = at.parentElement) {
      const style = getComputedStyle(at);
      const cuts = style.overflowX === "hidden" || style.overflowX === "clip";
      const room = at.getBoundingClientRect();
      if (cuts && (box.right > room.right + TOLERANCE_PX || box.left < room.left - TOLERANCE_PX)) {
        found.push(`"${text}" is cut off`);
      }
    }
  }
  for (const [at, one] of shown.entries()) {
    for (const other of shown.slice(at + 1)) {
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (one.element !== other.element && across > TOLERANCE_PX && down > TOLERANCE_PX) {
        found.push(`"${one.text}" and "${other.text}" overlap`);
      }
    }
  }
  return found;
}
