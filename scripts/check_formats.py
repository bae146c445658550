"""Averages files that other libraries have written, and compares the results exactly.

    python scripts/check_formats.py PROGRAM

What is expected is computed with fractions from what the library that has written a file
reads back. Ends with 1 if a single bit of a single case is wrong.
"""

import itertools
import math
import random
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

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


def main() -> int:
    program = str(Path(sys.argv[1]).absolute())
    for kind, check in (("tables of pandas", tables),):
        try:
            print(f"{kind}: {check(program)} cases, every bit as it should be")
        except Failed as failed:
            print(f"{kind}: {failed}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
