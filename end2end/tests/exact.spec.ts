// Tests of the reference implementation, with known results.

import { expect, test } from "@playwright/test";
import { exactMean } from "../exact.ts";

test("exact means equal results calculated by hand", () => {
  expect(exactMean([1, 2, 6])).toBe(3);
  expect(exactMean([1e308, 1, -1e308])).toBe(1 / 3);
  expect(exactMean([1e308, 1e308, 1e308])).toBe(1e308);
  expect(exactMean([5e-324, 0])).toBe(0); // a tie, to even
  expect(exactMean([5e-324, 1e-323])).toBe(1e-323); // a tie, to even
  expect(exactMean([-0.1, -0.2])).toBe(-(0.1 + 0.2) / 2);
  expect(exactMean([2 ** 53, 2])).toBe(2 ** 52 + 1);
  expect(exactMean([2 ** 54, 2])).toBe(2 ** 53); // a tie, to even
  expect(exactMean([2 ** 54, 6])).toBe(2 ** 53 + 4); // a tie, to even
  expect(exactMean([Number.MAX_VALUE, Number.MAX_VALUE])).toBe(Number.MAX_VALUE);
});
