"""Averages files that other libraries have written, and compares the results exactly.

    python scripts/check_formats.py PROGRAM

What is expected is computed with fractions from what the library that has written a file
reads back. Ends with 1 if a single bit of a single case is wrong.
"""

import itertools
import json
import math
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import TensorSpec, deserialize, safe_open, serialize_file

FILES = 5


class Failed(Exception):
    """A result is not what it should be."""


def run(program: str, folder: Path, *arguments: str) -> str:
    """What the program prints on standard error; it must succeed."""
    done = subprocess.run([program, "mean", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{arguments}: {done.stderr.strip()}")
    return done.stderr


def mean_of(values: list[float], skips: bool) -> float:
    """The mean, rounded once; NaN by IEEE 754, or left out."""
    if skips:
        values = [value for value in values if not math.isnan(value)]
    if not values or not all(map(math.isfinite, values)):
        return float(np.mean(values)) if values else math.nan
    return float(sum(map(Fraction, values)) / len(values))


def compare(found: np.ndarray, arrays: list[np.ndarray], skips: bool = False) -> None:
    """Compares every number of a result with the exact mean."""
    if found.shape != arrays[0].shape:
        raise Failed(f"shape {found.shape} instead of {arrays[0].shape}")
    columns = zip(*(array.ravel().tolist() for array in arrays))
    for index, (number, values) in enumerate(zip(found.ravel().tolist(), columns)):
        expected = mean_of(list(values), skips)
        if number != expected and not (math.isnan(number) and math.isnan(expected)):
            raise Failed(f"index {index}: {number!r} instead of {expected!r} of {values}")


def numbers(draw: random.Random, rows: int, missing: float) -> list[float]:
    """Numbers of very different size, some of them missing."""
    return [
        math.nan if draw.random() < missing else draw.uniform(-1, 1) * 2.0 ** draw.randint(-40, 40)
        for _ in range(rows)
    ]


# What a writer is told, and how it is read back.
SHAPES = {
    "comma": {},
    "semicolon": {"sep": ";"},
    "tab": {"sep": "\t"},
    "Windows": {"lineterminator": "\r\n", "encoding": "utf-8-sig"},
    "quoted": {"quoting": 1},
    "quoted names": {"quoting": 2},
    "gzip": {"compression": "gzip"},
    "NA": {"na_rep": "NA"},
    "nan": {"na_rep": "nan"},
}


def tables(program: str) -> int:
    """Tables that pandas writes, in every shape; returns how many cases that were."""
    count = 0
    for (shape, options), index, text, missing, shuffled in itertools.product(
        SHAPES.items(), (False, True), (False, True), (0.0, 0.3), (False, True)
    ):
        draw = random.Random(f"{shape} {index} {text} {missing} {shuffled}")
        names = ["temp", "wind, 10 m", 'the "rain"', "été"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arrays, selected = [], names
            for file in range(FILES):
                frame = pd.DataFrame({column: numbers(draw, 60, missing) for column in names})
                if text:
                    frame.insert(1, "station", [f"De Bilt, {row}" for row in range(60)])
                order = list(frame.columns)
                if shuffled and file > 0:
                    draw.shuffle(order)
                path = folder / f"{file}.csv"
                frame[order].to_csv(path, index=index, **options)
                back = pd.read_csv(
                    path,
                    sep=options.get("sep", ","),
                    encoding=options.get("encoding"),
                    compression=options.get("compression", "infer"),
                    index_col=0 if index else None,
                )
                arrays.append(back[names].to_numpy())
            arguments = ["--missing", "skip"] if missing else []
            excluded = (["!station"] if text else []) + (["!1"] if index else [])
            if excluded:
                arguments += ["--select", ",".join(excluded)]
            inputs = [f"{file}.csv" for file in range(FILES)]
            arguments += ["--fan-in", "2", "--output"]
            run(program, folder, *inputs, *arguments, "mean.npy")
            compare(np.load(folder / "mean.npy"), arrays, skips=missing > 0)
            run(program, folder, *inputs, *arguments, "mean.csv")
            result = pd.read_csv(folder / "mean.csv")
            if list(result.columns) != selected:
                raise Failed(f"{shape}: columns {list(result.columns)}")
            compare(result.to_numpy(), arrays, skips=missing > 0)
        count += 1
    return count


# The types of tensors: their names in a file and in the library, the bytes of a number, and
# of floating-point types the bits of the significand and of the exponent.
FLOATS = {
    "F64": ("float64", 8, 53, 11),
    "F32": ("float32", 4, 24, 8),
    "F16": ("float16", 2, 11, 5),
    "BF16": ("bfloat16", 2, 8, 8),
}
INTEGERS = {
    f"{kind}{bits}": (f"{word}{bits}", bits // 8)
    for kind, word in (("I", "int"), ("U", "uint"))
    for bits in (8, 16, 32, 64)
}
MODELS = {
    **{dtype: [dtype] * 3 for dtype in (*FLOATS, *INTEGERS)},
    "mixed floats": ["BF16", "F32", "F16", "F64", "F32"],
    "everything": [*FLOATS, *INTEGERS],
}
DTYPES = ("input", "f64", "f32", "f16", "bf16")


def decoded(dtype: str, data: bytes) -> list:
    """The numbers of a tensor, as Python has them."""
    if dtype in INTEGERS:
        return np.frombuffer(data, INTEGERS[dtype][0]).tolist()
    if dtype == "BF16":
        wide = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return wide.view(np.float32).astype(np.float64).tolist()
    return np.frombuffer(data, FLOATS[dtype][0]).astype(np.float64).tolist()


def drawn(draw: random.Random, dtype: str, count: int) -> bytes:
    """Numbers of a type: of very different size, close together, and not finite."""
    if dtype in INTEGERS:
        size = INTEGERS[dtype][1]
        return b"".join(draw.choice((draw.randbytes(size), b"\xff" * size)) for _ in range(count))
    _, size, significand, exponent = FLOATS[dtype]
    infinity = ((1 << exponent) - 1) << (significand - 1)
    one = ((1 << (exponent - 1)) - 1) << (significand - 1)
    numbers = []
    for _ in range(count):
        bits = draw.choice((draw.randrange(infinity), one + draw.randrange(8), draw.randrange(8)))
        if draw.random() < 0.01:
            bits = infinity + draw.randrange(2)
        numbers.append((bits | draw.randrange(2) << (8 * size - 1)).to_bytes(size, "little"))
    return b"".join(numbers)


def nearest(quantity: Fraction, significand: int, exponent: int) -> int:
    """The bits of the nearest number of a type, ties to even."""
    sign = int(quantity < 0) << (significand - 1 + exponent)
    quantity = abs(quantity)
    if quantity == 0:
        return 0
    least = 3 - (1 << (exponent - 1)) - significand
    about = quantity.numerator.bit_length() - quantity.denominator.bit_length()
    last = max(least, about - significand)
    while quantity >= Fraction(2) ** (last + significand):
        last += 1
    # Fractions are rounded half to even.
    mantissa = round(quantity / Fraction(2) ** last)
    infinity = ((1 << exponent) - 1) << (significand - 1)
    return sign | min(((last - least) << (significand - 1)) + mantissa, infinity)


def check_tensor(name: str, dtype: str, data: bytes, columns: list[tuple]) -> None:
    """Compares every number of a tensor with the exact mean."""
    size = INTEGERS[dtype][1] if dtype in INTEGERS else FLOATS[dtype][1]
    if len(data) != size * len(columns):
        raise Failed(f"{name}: {len(data)} bytes for {len(columns)} numbers of type {dtype}")
    for index, (values, number) in enumerate(zip(columns, decoded(dtype, data))):
        found = int.from_bytes(data[index * size : (index + 1) * size], "little")
        if not all(map(math.isfinite, values)):
            expected = float(np.sum(values))
            right = number == expected or (math.isnan(number) and math.isnan(expected))
        elif all(value == 0 and math.copysign(1, value) < 0 for value in values):
            right = number == 0 and math.copysign(1, number) < 0
        else:
            mean = sum(map(Fraction, values)) / len(values)
            if dtype in INTEGERS:
                right = number == round(mean)
            else:
                right = found == nearest(mean, *FLOATS[dtype][2:])
                # A mean that is too small for the type keeps its sign.
        if not right:
            raise Failed(f"{name}, index {index}: {number!r} as {dtype} of {values}")


def write_in_order(path: Path, tensors: list[tuple], metadata: dict) -> None:
    """A file with its tensors in this order, which the library would not choose."""
    header, data = {"__metadata__": metadata}, b""
    for name, dtype, shape, numbers in tensors:
        offsets = [len(data), len(data) + len(numbers)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += numbers
    text = json.dumps(header, ensure_ascii=False).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def serialize(path: Path, written: list, metadata: dict) -> None:
    """Has the library write tensors, each a name, type, shape and the bytes of its numbers."""
    words = {**FLOATS, **INTEGERS}
    # The library is told where the numbers lie.
    arrays = {name: np.frombuffer(numbers, np.uint8) for name, *_, numbers in written}
    specs = {
        name: TensorSpec(
            dtype=words[dtype][0],
            shape=shape,
            data_ptr=arrays[name].ctypes.data,
            data_len=arrays[name].size,
        )
        for name, dtype, shape, _ in written
    }
    serialize_file(specs, str(path), metadata)


def serialize_shards(folder: Path, written: list, metadata: dict) -> list[Path]:
    """The same as two shards with their index; returns the shards."""
    folder.mkdir()
    places, files = {}, []
    for number in range(2):
        files.append(folder / f"model-{number + 1:05}-of-00002.safetensors")
        serialize(files[-1], written[number::2], metadata)
        places |= {name: files[-1].name for name, *_ in written[number::2]}
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return files


def tensors(program: str) -> int:
    """Models that safetensors writes, and reads back; returns how many cases that were."""
    count = 0
    for (kind, types), shuffled, asked in itertools.product(
        MODELS.items(), (False, True), DTYPES
    ):
        draw = random.Random(f"{kind} {shuffled} {asked}")
        shapes = [[], [7], [3, 5], [2, 1, 4], [0, 3]]
        names = [f"layer.{index}.{dtype}, été" for index, dtype in enumerate(types)]
        model = [(*tensor, shapes[at % 5]) for at, tensor in enumerate(zip(names, types))]
        with tempfile.TemporaryDirectory() as folder_name:
            folder = Path(folder_name)
            values: dict[str, list] = {name: [] for name in names}
            inputs = []
            for file in range(FILES):
                path = folder / f"{file}.safetensors"
                metadata = {"format": "pt", "file": str(file)}
                written = [
                    (name, dtype, shape, drawn(draw, dtype, math.prod(shape)))
                    for name, dtype, shape in model
                ]
                files = [path]
                if shuffled:
                    draw.shuffle(written)
                    write_in_order(path, written, metadata)
                elif file % 2 == 1 and len(written) > 1:
                    path = folder / str(file)
                    files = serialize_shards(path, written, metadata)
                else:
                    serialize(path, written, metadata)
                inputs.append(path.name)
                for one in files:
                    for name, tensor in deserialize(one.read_bytes()):
                        values[name].append(decoded(tensor["dtype"], bytes(tensor["data"])))
            arguments = ["--fan-in", "2", "--dtype", asked, "--output", "mean.safetensors"]
            run(program, folder, *inputs, *arguments)
            result = folder / "mean.safetensors"
            with safe_open(result, framework="np") as opened:
                metadata = opened.metadata()
                if set(opened.keys()) != set(names):
                    raise Failed(f"{kind}: tensors {sorted(opened.keys())}")
            if metadata["format"] != "pt" or metadata["file"] != "0":
                raise Failed(f"{kind}: metadata {metadata}")
            found = dict(deserialize(result.read_bytes()))
            for name, dtype, shape in model:
                tensor = found[name]
                expected = dtype if asked == "input" else asked.upper()
                if (tensor["dtype"], list(tensor["shape"])) != (expected, shape):
                    raise Failed(f"{kind}: {name} is {tensor['dtype']} {tensor['shape']}")
                columns = list(zip(*values[name]))
                check_tensor(f"{kind}: {name}", expected, bytes(tensor["data"]), columns)
        count += 1
    return count


def weighted_mean_of(values: list[float], weights: list[float], skips: bool) -> float:
    """The weighted mean, rounded once; NaN by IEEE 754, or left out."""
    pairs = [(v, w) for v, w in zip(values, weights) if w > 0 and not (skips and math.isnan(v))]
    if not all(math.isfinite(value) for value, _ in pairs):
        return float(np.sum([value for value, _ in pairs]))
    if not pairs:
        return math.nan
    exact = [(Fraction(value), Fraction(weight)) for value, weight in pairs]
    return float(sum(v * w for v, w in exact) / sum(w for _, w in exact))


# The types of arrays.
ARRAY_TYPES = ("<f8", ">f8", "<f4", "<f2", "<i8", "<u2", "|b1")


def archives(program: str) -> int:
    """Arrays in .npz files that NumPy writes; returns how many cases that were."""
    count = 0
    for dtype, compressed, fortran, several in itertools.product(
        ARRAY_TYPES, (False, True), (False, True), (False, True)
    ):
        draw = np.random.default_rng(len(dtype) + 10 * compressed + 20 * fortran)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arrays = []
            for file in range(FILES):
                array = (draw.normal(size=(30, 40)) * 300).astype(dtype)
                array = np.asfortranarray(array) if fortran else array
                others = {"a": np.arange(file + 9.0), "z b": np.ones(3)} if several else {}
                save = np.savez_compressed if compressed else np.savez
                save(folder / f"{file}.npz", x=array, **others)
                with np.load(folder / f"{file}.npz") as back:
                    arrays.append(back["x"].astype(np.float64))
            arguments = ["--select", "x"] if several else []
            inputs = [f"{file}.npz" for file in range(FILES)]
            run(program, folder, *inputs, *arguments, "--fan-in", "2", "--output", "mean.npy")
            compare(np.load(folder / "mean.npy"), arrays)
        count += 1
    return count


# Weights as people have them, and as nobody should.
WEIGHTS = {
    "samples": lambda draw: float(draw.randint(1, 100_000)),
    "fractions": lambda draw: draw.random(),
    "some zero": lambda draw: float(draw.randint(0, 1) * draw.randint(1, 9)),
    "any size": lambda draw: draw.random() * 2.0 ** draw.randint(-1000, 1000),
    "the ends": lambda draw: draw.choice((5e-324, 1.7976931348623157e308, 2.2e-308, 1.0)),
}


def weights(program: str) -> int:
    """Tables of weights that pandas writes; returns how many cases that were."""
    count = 0
    for (kind, weight), missing, header, fan_in in itertools.product(
        WEIGHTS.items(), (0.0, 0.4), (False, True), ("2", "8")
    ):
        draw = random.Random(f"{kind} {missing} {header} {fan_in}")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            names = [f"run {file}, \"{file}\".npy" for file in range(2 * FILES)]
            arrays = [np.array(numbers(draw, 300, missing)) for _ in names]
            given = [weight(draw) for _ in names[1:]] + [1.0]
            for file, array in zip(names, arrays):
                np.save(folder / file, array)
            table = pd.DataFrame({"file": names, "weight": given}).sample(frac=1, random_state=7)
            table.to_csv(folder / "weights.csv", index=False, header=header)
            back = pd.read_csv(folder / "weights.csv", header=0 if header else None,
                               names=["file", "weight"], float_precision="round_trip")
            by_name = dict(zip(back["file"], back["weight"]))
            given = [by_name[file] for file in names]
            arguments = ["--weights", "weights.csv", "--fan-in", fan_in]
            arguments += ["--missing", "skip"] if missing else []
            run(program, folder, ".", *arguments, "--output", "mean.npy")
            columns = zip(*(array.tolist() for array in arrays))
            for index, (found, values) in enumerate(zip(np.load(folder / "mean.npy").tolist(), columns)):
                expected = weighted_mean_of(list(values), given, missing > 0)
                if found != expected and not (math.isnan(found) and math.isnan(expected)):
                    what = f"index {index}: {found!r} instead of {expected!r}"
                    raise Failed(f"weights, {kind}: {what} of {values}, {given}")
        count += 1
    return count


def quiet() -> None:
    # Infinities and NaN are among the numbers.
    np.seterr(all="ignore")


def main() -> int:
    program = str(Path(sys.argv[1]).absolute())
    with ProcessPoolExecutor(initializer=quiet) as pool:
        checks = {
            kind: pool.submit(check, program)
            for kind, check in (
                ("tables of pandas", tables),
                ("models of safetensors", tensors),
                ("archives of NumPy", archives),
                ("tables of weights", weights),
            )
        }
        for kind, check in checks.items():
            try:
                print(f"{kind}: {check.result()} cases, every bit as it should be")
            except Failed as failed:
                pool.shutdown(cancel_futures=True)
                print(f"{kind}: {failed}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
