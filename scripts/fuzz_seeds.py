"""Writes the inputs from which fuzzing of formats begins, beside what it has found before.

    python3 scripts/fuzz_seeds.py FOLDER

Each target has a folder of its own. Its inputs are tuples, as the crate `arbitrary` has them:
numbers in order, then texts and bytes, and the lengths of all but the last of these at the end,
the first one last.
"""

import json
import struct
import sys
from pathlib import Path

FILES = Path(__file__).parent.parent / "crates/summation/tests/formats/files"
HDF5 = b"\x89HDF\r\n\x1a\n"


def length_bytes(length: int, behind: int) -> bytes:
    """A length, behind so many bytes, of which it counts some."""
    size = 1 if behind + 1 <= 256 else 2 if behind + 2 <= 65_537 else 4
    return length.to_bytes(size, "big")


def packed(numbers: bytes, *parts: bytes) -> bytes:
    """A tuple of numbers, and then of texts and bytes."""
    data = b"".join(parts)
    ends: list[bytes] = []
    # Lengths are taken from the end, so that of the last part but one is written first.
    for index in reversed(range(len(parts) - 1)):
        behind = len(b"".join(parts[index:])) + sum(map(len, ends))
        ends.append(length_bytes(len(parts[index]), behind))
    return numbers + data + b"".join(ends)


def model(tensors: dict[str, tuple[str, list[int], int]]) -> tuple[bytes, bytes]:
    """The header and the numbers of tensors: their types, shapes, and bytes."""
    header, at = {"__metadata__": {"format": "pt", "of": "x" * 300}}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return json.dumps(header).encode(), bytes(number % 251 for number in range(at))


def classic(version: int) -> bytes:
    """A classic NetCDF file with a coordinate and a variable along an unlimited dimension."""
    wide = version == 5

    def count(number: int) -> bytes:
        return struct.pack(">Q" if wide else ">I", number)

    def name(text: str) -> bytes:
        return count(len(text)) + text.encode().ljust(-(-len(text) // 4) * 4, b"\0")

    def header(begins: list[int]) -> bytes:
        place = ">I" if version == 1 else ">Q"
        tag = struct.Struct(">I").pack
        return b"".join([
            b"CDF", bytes([version]), count(2),
            tag(10), count(2), name("time"), count(0), name("x"), count(3),
            tag(0), count(0),
            tag(11), count(2),
            name("x"), count(1), count(1), tag(0), count(0), tag(6), count(24),
            struct.pack(place, begins[0]),
            name("tas"), count(2), count(0), count(1), tag(12), count(1),
            name("scale_factor"), tag(6), count(1), struct.pack(">d", 0.5),
            tag(3), count(8), struct.pack(place, begins[1]),
        ])

    begin = len(header([0, 0]))
    numbers = struct.pack(">3d", 1, 2, 3) + struct.pack(">8h", *range(8))[:16]
    return header([begin, begin + 24]) + numbers


def seeds() -> dict[str, list[bytes]]:
    places = struct.pack("<HHH", 7, 3, 50)
    tables = [
        b"a,b\n1,2\n3.5,-4e3\n", b'station;x\n"De Bilt; NL";1\nb;NA\n', b"x\ty\r\n1\t\r\n2\t3",
        b"1,2\n3,4\n", b'"two\nlines",b\n1,"2"\n', b"\xef\xbb\xbfa\n0.1\n",
    ]
    models = [
        model({"a": ("F32", [2, 2], 16), "b": ("BF16", [3], 6), "c": ("I64", [], 8)}),
        model({"a": ("F64", [0, 7], 0), "z": ("U8", [5], 5)}),
    ]
    hdf5 = [(FILES / name).read_bytes() for name in ("netcdf4.nc", "latest.h5")]
    arrays = [path.read_bytes() for path in FILES.iterdir()]
    npy = b"\x93NUMPY\x01\x00\x46\x00" + (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".ljust(69) + b"\n"
    )
    return {
        "text": [bytes([5]) + text for text in (b"1 2.5,-3e4\n", b"nan inf 0.1")],
        "tables": [
            packed(bytes([kind]) + struct.pack("<H", 4), entry, text)
            for text in tables for kind, entry in ((0, b""), (5, b""), (2, b"1"))
        ],
        "tensors": [
            packed(places, entry, *parts) for parts in models for entry in (b"", b"!a")
        ],
        "variables": [
            *(packed(bytes([3]) + places, b"", file[len(HDF5):]) for file in hdf5),
            *(packed(bytes([at]) + places, b"", classic(version)[4:])
              for at, version in enumerate((1, 2, 5))),
        ],
        "objects": [bytes([0, 9, 0]) + file for file in (*arrays, npy + bytes(24))],
    }


def main() -> None:
    for target, inputs in seeds().items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / f"seed-{number}").write_bytes(data)


if __name__ == "__main__":
    main()
