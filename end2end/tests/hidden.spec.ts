// A job in a hidden tab: its title, its icon and a notification tell that it is over.

import { DEMO, expectPhase } from "../pages.ts";
import { expect, test } from "../test.ts";

test("a hidden tab keeps up, and tells when its job is over", async ({ page, server }) => {
  test.setTimeout(120_000);
  await page.addInitScript(() => {
    const notified: string[] = [];
    class Notification {
      static permission = "default";
      constructor(title: string) {
        notified.push(title);
      }
      static async requestPermission() {
        Notification.permission = "granted";
        return "granted";
      }
    }
    let hidden = false;
    Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
    const hide = () => {
      hidden = true;
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    };
    Object.assign(window, { Notification, notified, hide });
  });
  const id = await server.submit(DEMO);
  await page.goto(`/jobs/${id}`);
  await expectPhase(page, "running");
  await page.getByRole("button", { name: "Notify me at the end" }).click();
  await page.evaluate(() => (window as unknown as { hide(): void }).hide());
  const icon = page.locator("link[rel=icon]");
  await expect(icon).toHaveAttribute("href", /%230b6e75/);
  await server.over(id);
  await expect.poll(() => page.title(), { timeout: 30_000 }).toMatch(/^done, Demo|^done, /);
  await expectPhase(page, "done");
  await expect(icon).toHaveAttribute("href", /%232a7130/);
  const notified = await page.evaluate(() => (window as unknown as { notified: string[] }).notified);
  expect(notified).toEqual([await page.title()]);
});
