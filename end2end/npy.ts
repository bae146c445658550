// Files of NumPy, written for tests.

/** A .npy file of doubles in C order. */
export function npyFile(values: ArrayLike<number>, shape: number[]): Uint8Array<ArrayBuffer> {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${sides}), }`;
  const padded = header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11) + "\n";
  const bytes = new Uint8Array(10 + padded.length + 8 * values.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  view.setUint16(8, padded.length, true);
  bytes.set(new TextEncoder().encode(padded), 10);
  for (let index = 0; index < values.length; index++) {
    view.setFloat64(10 + padded.length + 8 * index, values[index]!, true);
  }
  return bytes;
}
