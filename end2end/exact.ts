// Exact means in arbitrary-precision integers, independent of the program's own
// arithmetic: every finite double is an integer multiple of 2^-1074.

const SMALLEST_EXPONENT = 1074n;

/** A finite double as an integer multiple of 2^-1074. */
function units(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = (word >> 52n) & 0x7ffn;
  const fraction = word & 0xfffffffffffffn;
  if (exponent === 0x7ffn) {
    throw new Error(`${value} is not finite`);
  }
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return word >> 63n === 1n ? -magnitude : magnitude;
}

/** `numerator / denominator` units as the nearest double, ties to even. */
function nearest(numerator: bigint, denominator: bigint): number {
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  // As many bits as a double keeps: 53, or those above 2^-1074.
  const length = (n: bigint) => BigInt(n.toString(2).length);
  let shift = length(magnitude) - length(denominator) - 53n;
  let rounded: bigint;
  for (;;) {
    shift = shift < 0n ? 0n : shift;
    const divisor = denominator << shift;
    const quotient = magnitude / divisor;
    if (quotient >= 1n << 53n) {
      shift += 1n;
      continue;
    }
    const twice = 2n * (magnitude - quotient * divisor);
    const up = twice > divisor || (twice === divisor && (quotient & 1n) === 1n);
    rounded = quotient + (up ? 1n : 0n);
    break;
  }
  // At most 2^53, times a power of two: exact, and in two steps because the
  // factor alone may be too small for a double.
  const exponent = Number(shift - SMALLEST_EXPONENT);
  const half = Math.trunc(exponent / 2);
  const value = Number(rounded) * 2 ** half * 2 ** (exponent - half);
  return negative ? -value : value;
}

/** The exact mean of finite numbers, rounded once. */
export function exactMean(values: number[]): number {
  const sum = values.reduce((sum, value) => sum + units(value), 0n);
  return nearest(sum, BigInt(values.length));
}

/** The exact mean of every index of rows of the same length. */
export function exactMeans(rows: ArrayLike<number>[]): Float64Array {
  const columns = rows[0]!.length;
  return Float64Array.from({ length: columns }, (_, column) =>
    exactMean(rows.map((row) => row[column]!)),
  );
}

/** The numbers of a text with separators. */
export function parseText(bytes: Uint8Array): number[] {
  const words = new TextDecoder().decode(bytes).split(/[\s,;]+/);
  return words.filter((word) => word !== "").map(Number);
}

/** The shape and numbers of a .npy file of little-endian doubles. */
export function parseNpy(bytes: Uint8Array): { shape: number[]; values: Float64Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (new TextDecoder("latin1").decode(bytes.subarray(1, 6)) !== "NUMPY" || bytes[6] !== 1) {
    throw new Error("not a .npy file of version 1");
  }
  const start = 10 + view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(10, start));
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (!header.includes("'descr': '<f8'") || !header.includes("'fortran_order': False") || shape === undefined) {
    throw new Error(`unexpected header: ${header}`);
  }
  const values = new Float64Array(
    Array.from({ length: (bytes.length - start) / 8 }, (_, i) => view.getFloat64(start + 8 * i, true)),
  );
  return { shape: shape.split(",").filter((part) => part.trim() !== "").map(Number), values };
}

/** The first ten columns at which two arrays differ in any bit. */
export function differences(found: Float64Array, expected: Float64Array): string[] {
  if (found.length !== expected.length) {
    return [`${found.length} numbers instead of ${expected.length}`];
  }
  const bits = (array: Float64Array) => new BigUint64Array(array.slice().buffer);
  const [left, right] = [bits(found), bits(expected)];
  return Array.from(left.keys())
    .filter((i) => left[i] !== right[i])
    .slice(0, 10)
    .map((i) => `[${i}] ${found[i]} instead of ${expected[i]}`);
}
