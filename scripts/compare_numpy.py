"""Times `distributed-average mean` beside NumPy and Dask on the same files.

Whole processes, each run several times in turn, files in the page cache. Prints
medians, the range, peak resident memory, and how many times as long as ours
each takes. Exits with 1 if our result is not exact where it is looked at.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

# Programs as users would write them. `{folder}` contains the
# files, `{output}` is the path of the result.
LOADTXT = """
import glob
import numpy as np
total = 0.0
paths = sorted(glob.glob("{folder}/*"))
for path in paths:
    total = total + np.loadtxt(path, delimiter={delimiter!r}).ravel()
np.save("{output}", total / len(paths))
"""
# The fastest way that NumPy has to read text.
FROMFILE = """
import glob
import numpy as np
total = 0.0
paths = sorted(glob.glob("{folder}/*"))
for path in paths:
    total = total + np.fromfile(path, sep={separator!r})
np.save("{output}", total / len(paths))
"""
LOAD = """
import glob
import numpy as np
paths = sorted(glob.glob("{folder}/*"))
total = np.load(paths[0])
for path in paths[1:]:
    total += np.load(path)
np.save("{output}", total / len(paths))
"""
# Reads by memory maps, adds on all cores.
DASK = """
import glob
import dask.array as da
import numpy as np
paths = sorted(glob.glob("{folder}/*"))
maps = [np.load(path, mmap_mode="r") for path in paths]
stack = da.stack([da.from_array(map, chunks=250_000) for map in maps])
np.save("{output}", stack.mean(axis=0).compute())
"""

COLUMNS_CHECKED = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the program distributed-average")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--csv-count", type=int, default=100_000, help="numbers in a text file")
    parser.add_argument("--npy-count", type=int, default=1_000_000, help="numbers in a .npy file")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("csv", "npy"))
    arguments = parser.parse_args()

    print(f"{os.cpu_count()} processors; NumPy {np.__version__}; {arguments.runs} runs, medians\n")
    exact = True
    for form, count in (("csv", arguments.csv_count), ("npy", arguments.npy_count)):
        if arguments.only in (None, form):
            with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
                exact &= compare(arguments, form, count, Path(scratch))
    return 0 if exact else 1


def compare(arguments: argparse.Namespace, form: str, count: int, scratch: Path) -> bool:
    """Prints one table; returns whether our result is exact where it was checked."""
    folder = scratch / "files"
    subprocess.run(
        [arguments.program, "generate", folder, "--files", str(arguments.files),
         "--count", str(count), "--format", form, "--seed", "1"],
        check=True, stdout=subprocess.DEVNULL,
    )
    paths = sorted(folder.iterdir())
    size = sum(path.stat().st_size for path in paths)
    numbers = arguments.files * count
    print(f"{arguments.files} {form} files of {count:,} numbers, {size / 1e6:,.0f} MB")

    ours = "distributed-average mean"
    outputs = {ours: scratch / "ours.npy"}
    contenders = {
        ours: [arguments.program, "mean", folder, "--output", outputs[ours]],
    }
    for name, source in sources(form, paths[0]).items():
        outputs[name] = scratch / f"{len(contenders)}.npy"
        contenders[name] = [sys.executable, "-c", source(folder=folder, output=outputs[name])]

    times, memory, _ = take_turns(contenders, outputs, paths, arguments.runs)
    base = statistics.median(times[ours])
    print(f"  {'':<32}{'median':>9}{'least':>9}{'most':>9}{'times ours':>12}"
          f"{'ours of it':>12}{'million/s':>11}{'peak MiB':>10}")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"  {name:<32}{median:>8.3f}s{min(taken):>8.3f}s{max(taken):>8.3f}s"
              f"{median / base:>12.2f}{base / median:>12.2f}{numbers / median / 1e6:>11.1f}"
              f"{memory[name] / 1024:>10.0f}")

    mean = np.load(outputs.pop(ours))
    wrong = inexact(mean, paths, form)
    others = [int(np.count_nonzero(np.load(path) != mean)) for path in outputs.values()]
    print(f"  ours is exact at {COLUMNS_CHECKED - wrong} of {COLUMNS_CHECKED} columns looked at; "
          f"the others differ from it at {', '.join(map(str, others))} of {count:,}\n")
    shutil.rmtree(folder)
    return wrong == 0


def sources(form: str, first: Path) -> dict[str, Callable[..., str]]:
    """The programs of the others, by name."""
    if form == "npy":
        return {"NumPy, running sum": LOAD.format, "Dask, mean of a stack": DASK.format}
    with first.open("rb") as file:
        comma = b"," in file.read(1000)

    def with_separator(source: str) -> Callable[..., str]:
        return lambda **places: source.format(
            delimiter="," if comma else None, separator="," if comma else " ", **places)

    return {
        "NumPy, running sum of loadtxt": with_separator(LOADTXT),
        "NumPy, running sum of fromfile": with_separator(FROMFILE),
    }


def take_turns(
    commands: dict[str, list], outputs: dict[str, Path], paths: list[Path], runs: int
) -> tuple[dict[str, list[float]], dict[str, int], dict[str, list[float]]]:
    """Runs every command so many times, in turn; returns the seconds of each run, the peak
    resident memory of each command in KiB, and the seconds of processors of each run."""
    times = {name: [] for name in commands}
    memory = dict.fromkeys(commands, 0)
    processors = {name: [] for name in commands}
    os.sync()  # nothing is to be written while others are timed
    for _ in range(runs):
        for name, command in commands.items():
            # Each writes a new file: replacing one has to wait for a disk.
            outputs[name].unlink(missing_ok=True)
            read_all(paths)
            seconds, kibibytes, used = run(command)
            times[name].append(seconds)
            processors[name].append(used)
            memory[name] = max(memory[name], kibibytes)
    return times, memory, processors


def read_all(paths: list[Path]) -> None:
    """Brings files into the page cache, from which some systems soon take them."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass


def run(command: list) -> tuple[float, int, float]:
    """Seconds, peak resident memory in KiB, and seconds of processors, of a process and its
    children."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime


def inexact(mean: np.ndarray, paths: list[Path], form: str) -> int:
    """At how many of some columns the mean is not the exact one, rounded once."""
    columns = np.linspace(0, mean.size - 1, COLUMNS_CHECKED).astype(int)
    rows = []
    for path in paths:
        if form == "npy":
            row = np.load(path, mmap_mode="r")[columns]
        else:
            row = np.array(path.read_text().replace(",", " ").split(), dtype=np.float64)[columns]
        rows.append([float(number) for number in row])
    exact = [float(sum(map(Fraction, column)) / len(paths)) for column in zip(*rows)]
    return sum(found.hex() != wanted.hex()
               for found, wanted in zip(map(float, mean[columns]), exact))


if __name__ == "__main__":
    sys.exit(main())
