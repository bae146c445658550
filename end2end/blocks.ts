// A font of blocks: every character but a space is the same box. Pictures of pages in it are
// the same on every machine, whatever fonts there are, and the same for numbers of as many
// digits; what a page says is tested elsewhere.

/** Units of a square as high as the font. */
const EM = 1000;
const WIDTH = 500;
const ASCENT = 800;
const DESCENT = 200;
/** The box of a character: with room to the next one, and as high as most letters. */
const BOX = { left: 40, bottom: 0, right: 440, top: 560 };
/** The characters of the font: those of Latin, and of punctuation, arrows and signs. */
const RANGES: [first: number, last: number][] = [
  [0x20, 0x24f],
  [0x2b0, 0x3ff],
  [0x1e00, 0x1eff],
  [0x2000, 0x2bff],
];
const SPACES = new Set([0x20, 0xa0, 0x2007, 0x2009, 0x202f]);
const BLOCK = 1;
const SPACE = 2;

class Table {
  private readonly bytes: number[] = [];

  u8(...numbers: number[]): this {
    for (const number of numbers) {
      this.bytes.push(number & 0xff);
    }
    return this;
  }

  u16(...numbers: number[]): this {
    return this.u8(...numbers.flatMap((number) => [number >> 8, number]));
  }

  u32(...numbers: number[]): this {
    return this.u16(...numbers.flatMap((number) => [number >>> 16, number & 0xffff]));
  }

  text(text: string): this {
    return this.u8(...Buffer.from(text, "latin1"));
  }

  get data(): Buffer {
    return Buffer.from(this.bytes);
  }
}

/** The glyphs of the characters, each a group of one: its first and last code, and the glyph. */
function cmap(): Buffer {
  const codes = RANGES.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
  const table = new Table().u16(0, 1, 3, 10).u32(12).u16(12, 0).u32(16 + 12 * codes.length, 0, codes.length);
  for (const code of codes) {
    table.u32(code, code, SPACES.has(code) ? SPACE : BLOCK);
  }
  return table.data;
}

/** The outline of a block: a contour of four points. */
function outline(): Buffer {
  const { left, bottom, right, top } = BOX;
  const table = new Table().u16(1, left, bottom, right, top);
  // The last point of the contour, no instructions, and four points on the curve.
  table.u16(3, 0).u8(1, 1, 1, 1);
  table.u16(left, 0, right - left, 0).u16(bottom, top - bottom, 0, bottom - top);
  return table.data;
}

/** The tables of the font, by the OpenType specification. */
function tables(): Map<string, Buffer> {
  const block = outline();
  const names: [id: number, text: string][] = [[1, "Blocks"], [2, "Regular"], [4, "Blocks"], [6, "Blocks"]];
  const name = new Table().u16(0, names.length, 6 + 12 * names.length);
  let offset = 0;
  for (const [id, text] of names) {
    name.u16(1, 0, 0, id, text.length, offset);
    offset += text.length;
  }
  names.forEach(([, text]) => name.text(text));
  const { left, bottom, right, top } = BOX;
  return new Map([
    [
      "OS/2",
      new Table()
        .u16(4, WIDTH, 400, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 300, 0)
        .u8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        .u32(1, 0, 0, 0)
        .text("NONE")
        .u16(0x40, 0x20, 0xffff, ASCENT, -DESCENT, 0, ASCENT, DESCENT)
        .u32(1, 0)
        .u16(top, top, 0, 0x20, 0).data,
    ],
    ["cmap", cmap()],
    ["glyf", block],
    [
      "head",
      new Table().u16(1, 0, 1, 0).u32(0, 0x5f0f3cf5).u16(0x3, EM).u32(0, 0, 0, 0).u16(left, bottom, right, top, 0, 8, 2, 1, 0).data,
    ],
    ["hhea", new Table().u16(1, 0, ASCENT, -DESCENT, 0, WIDTH, left, WIDTH - right, right, 1, 0, 0, 0, 0, 0, 0, 0, 3).data],
    ["hmtx", new Table().u16(WIDTH, 0, WIDTH, left, WIDTH, 0).data],
    // Only the block has an outline.
    ["loca", new Table().u32(0, 0, block.length, block.length).data],
    ["maxp", new Table().u16(1, 0, 3, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0).data],
    ["name", name.data],
    ["post", new Table().u16(3, 0, 0, 0, -75, 50).u32(1, 0, 0, 0, 0).data],
  ]);
}

/** The font, as the bytes of a TrueType file. */
export function blockFont(): Buffer {
  const all = tables();
  const header = new Table().u32(0x00010000).u16(all.size, 128, 3, all.size * 16 - 128);
  const bodies: Buffer[] = [];
  let offset = 12 + 16 * all.size;
  for (const [tag, data] of all) {
    // Each table begins at a multiple of four; browsers do not look at checksums.
    const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
    header.text(tag).u32(0, offset, data.length);
    offset += padded.length;
    bodies.push(padded);
  }
  return Buffer.concat([header.data, ...bodies]);
}
