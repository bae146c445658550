"""Times `distributed-average mean` beside the tools of each field on the same files.

Whole processes, each run several times in turn, files in the page cache. Prints medians, peak
resident memory, and how many times as long as ours each takes; ours with weights too. Exits
with 1 if our result is not exact where it is looked at, or another one is no rounding of it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from compare_numpy import take_turns

COLUMNS_CHECKED = 100

# Programs as users would write them. `{files}` is the pattern of the files, `{output}` the
# path of the result.
NUMPY_TENSORS = """
import glob
import numpy as np
from safetensors.numpy import load_file, save_file
paths = sorted(glob.glob("{files}"))
total = {{name: tensor.astype(np.float64) for name, tensor in load_file(paths[0]).items()}}
for path in paths[1:]:
    for name, tensor in load_file(path).items():
        total[name] += tensor
save_file({{name: (sum / len(paths)).astype(np.float32) for name, sum in total.items()}}, "{output}")
"""
# Without the package safetensors, which Debian's Python does not have: maps the file, as that does.
TORCH_TENSORS = """
import glob, json
import numpy as np, torch
def load(path):
    bytes = np.memmap(path, dtype=np.uint8, mode="c")
    length = int.from_bytes(bytes[:8].tobytes(), "little")
    header = json.loads(bytes[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    data = torch.from_numpy(bytes[8 + length :])
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        yield name, data[start:end].view(torch.float32).reshape(entry["shape"])
paths = sorted(glob.glob("{files}"))
total = {{name: tensor.double() for name, tensor in load(paths[0])}}
for path in paths[1:]:
    for name, tensor in load(path):
        total[name] += tensor
means = {{name: (sum / len(paths)).float() for name, sum in total.items()}}
np.savez("{output}", **{{name: mean.numpy() for name, mean in means.items()}})
"""
XARRAY_STACK = """
import glob
import xarray as xr
paths = sorted(glob.glob("{files}"))
runs = xr.open_mfdataset(paths, combine="nested", concat_dim="run", data_vars=["tas"],
                         coords="minimal", compat="override", join="override")
runs.mean("run").to_netcdf("{output}")
"""
XARRAY_SUM = """
import glob
import xarray as xr
paths = sorted(glob.glob("{files}"))
total = xr.load_dataset(paths[0]).astype("f8")
for path in paths[1:]:
    total = total + xr.load_dataset(path)
(total / len(paths)).to_netcdf("{output}")
"""
PANDAS_SUM = """
import glob
import pandas as pd
paths = sorted(glob.glob("{files}"))
total = pd.read_csv(paths[0], index_col="station")
for path in paths[1:]:
    total += pd.read_csv(path, index_col="station")
(total / len(paths)).to_csv("{output}")
"""
PANDAS_GROUPS = """
import glob
import pandas as pd
tables = [pd.read_csv(path) for path in sorted(glob.glob("{files}"))]
pd.concat(tables).groupby("station", sort=False).mean().to_csv("{output}")
"""


class Form:
    """A form of files: how they are written and read, and who averages them beside us."""

    name: str
    ending: str
    # The numbers of a result may differ by so much of the largest one.
    tolerance: float
    arguments: list[str] = []

    def write(self, path: Path, count: int, draw: np.random.Generator) -> None:
        raise NotImplementedError

    def read(self, path: Path) -> np.ndarray:
        raise NotImplementedError

    def others(self) -> dict[str, Callable[[str, Path], list]]:
        """The commands of the others, by name, of a pattern of files and an output."""
        raise NotImplementedError


def python(source: str, interpreter: str = sys.executable) -> Callable[[str, Path], list]:
    return lambda files, output: [interpreter, "-c", source.format(files=files, output=output)]


class Tensors(Form):
    name = "safetensors, F32"
    ending = "safetensors"
    tolerance = 1e-6

    def write(self, path, count, draw):
        from safetensors.numpy import save_file

        parts = np.array_split(draw.normal(size=count).astype(np.float32), 20)
        save_file({f"layer.{number}.weight": part for number, part in enumerate(parts)}, path)

    def read(self, path):
        if path.suffix == ".npz":
            loaded = dict(np.load(path))
        else:
            from safetensors.numpy import load_file

            loaded = load_file(path)
        return np.concatenate([loaded[name] for name in sorted(loaded)])

    def others(self):
        others = {"NumPy, running sum": python(NUMPY_TENSORS)}
        debian = "/usr/bin/python3"
        if subprocess.run([debian, "-c", "import torch"], capture_output=True).returncode == 0:
            others["PyTorch, running sum"] = python(TORCH_TENSORS, debian)
        return others


class Netcdf(Form):
    ending = "nc"
    tolerance = 1e-6
    arguments = ["--dtype", "f32"]

    def __init__(self, compressed: bool) -> None:
        self.options = {"zlib": True, "complevel": 1, "shuffle": True} if compressed else {}
        self.name = "NetCDF-4, float" + (", deflate" if compressed else "")

    def write(self, path, count, draw):
        import netCDF4

        side = max(1, int((count / 12) ** 0.5))
        with netCDF4.Dataset(path, "w") as file:
            for name, length in (("time", 12), ("lat", side), ("lon", side)):
                file.createDimension(name, length)
                file.createVariable(name, "f8", (name,))[:] = np.arange(length)
            dimensions = ("time", "lat", "lon")
            tas = file.createVariable(
                "tas", "f4", dimensions, chunksizes=(1, side, side), **self.options
            )
            # As smooth as measured fields, so that it can be compressed.
            field = np.round(draw.normal(size=(12, side, side)), 2) + 280
            tas[:] = field

    def read(self, path):
        import netCDF4

        with netCDF4.Dataset(path) as file:
            return np.asarray(file["tas"][:]).ravel()

    def others(self):
        others = {
            "xarray, running sum": python(XARRAY_SUM),
            "xarray, mean of a stack": python(XARRAY_STACK),
        }
        if shutil.which("cdo"):
            others["CDO ensmean"] = lambda files, output: [
                "sh", "-c", f"exec cdo -s -O ensmean {files} {output}"
            ]
        return others


class Tables(Form):
    name = "tables with a key column"
    ending = "csv"
    tolerance = 1e-12
    arguments = ["--key", "station"]

    def write(self, path, count, draw):
        import pandas as pd

        values = draw.normal(size=(max(1, count // 10), 10))
        table = pd.DataFrame(values, columns=[f"v{number}" for number in range(10)])
        table.insert(0, "station", [f"S{number:07}" for number in range(len(table))])
        table.to_csv(path, index=False)

    def read(self, path):
        import pandas as pd

        options = {"float_precision": "round_trip"}
        return pd.read_csv(path, index_col="station", **options).to_numpy().ravel()

    def others(self):
        return {
            "pandas, running sum": python(PANDAS_SUM),
            "pandas, mean of groups": python(PANDAS_GROUPS),
        }


FORMS = {
    "tensors": [Tensors()],
    "netcdf": [Netcdf(compressed=False), Netcdf(compressed=True)],
    "tables": [Tables()],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="the program distributed-average")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--numbers", type=int, default=5_000_000, help="numbers in a file")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of 10 numbers in a table")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=tuple(FORMS))
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors; {arguments.runs} runs, medians\n")
    is_right = True
    for word, forms in FORMS.items():
        for form in forms if arguments.only in (None, word) else ():
            with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
                is_right &= compare_form(arguments, form, Path(scratch))
    return 0 if is_right else 1


def compare_form(arguments: argparse.Namespace, form: Form, scratch: Path) -> bool:
    """Prints one table; returns whether all results are right."""
    folder = scratch / "files"
    folder.mkdir()
    count = 10 * arguments.rows if isinstance(form, Tables) else arguments.numbers
    draw = np.random.default_rng(1)
    for number in range(arguments.files):
        form.write(folder / f"{number:04}.{form.ending}", count, draw)
    paths = sorted(folder.iterdir())
    weights = [1 + number % 3 for number in range(len(paths))]
    table = scratch / "weights.csv"
    lines = [f"{path.name},{weight}" for path, weight in zip(paths, weights)]
    table.write_text("file,weight\n" + "\n".join(lines) + "\n")
    size = sum(path.stat().st_size for path in paths)
    print(f"{form.name}: {len(paths)} files, {size / 1e6:,.0f} MB")

    def ours(output: Path, *more) -> list:
        return [arguments.program, "mean", folder, "--output", output, *form.arguments, *more]

    plain, weighted = "distributed-average mean", "the same with weights"
    outputs = {name: scratch / f"{at}.{form.ending}" for at, name in enumerate((plain, weighted))}
    commands = {
        plain: ours(outputs[plain]),
        weighted: ours(outputs[weighted], "--weights", table),
    }
    for name, command in form.others().items():
        ending = "npz" if "PyTorch" in name else form.ending
        outputs[name] = scratch / f"{len(outputs)}.{ending}"
        commands[name] = command(f"{folder}/*", outputs[name])

    times, memory, processors = take_turns(commands, outputs, paths, arguments.runs)
    base = statistics.median(times[plain])
    print(f"  {'':<28}{'median':>9}{'least':>9}{'most':>9}{'times ours':>12}{'MB/s':>8}"
          f"{'CPU':>9}{'peak MiB':>10}")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"  {name:<28}{median:>8.3f}s{min(taken):>8.3f}s{max(taken):>8.3f}s"
              f"{median / base:>12.2f}{size / median / 1e6:>8.0f}"
              f"{statistics.median(processors[name]):>8.3f}s{memory[name] / 1024:>10.0f}")

    results = {name: form.read(path) for name, path in outputs.items()}
    columns = np.linspace(0, results[plain].size - 1, COLUMNS_CHECKED).astype(int)
    rows = [form.read(path)[columns] for path in paths]
    wrong = 0
    for name, each in ((plain, [1] * len(paths)), (weighted, weights)):
        found = inexact(results[name][columns], rows, each)
        wrong += found
        print(f"  {name} is exact at {COLUMNS_CHECKED - found} of {COLUMNS_CHECKED} columns")
    scale = float(np.max(np.abs(results[plain])))
    for name in form.others():
        furthest = float(np.max(np.abs(results[name].astype("f8") - results[plain])))
        differs = int(np.count_nonzero(results[name] != results[plain]))
        print(f"  {name} differs at {differs:,} of {results[plain].size:,}, by {furthest:.1e}")
        wrong += furthest > form.tolerance * scale
    print()
    return wrong == 0


def inexact(found: np.ndarray, rows: list[np.ndarray], weights: list[int]) -> int:
    """At how many columns a result is not the exact one, rounded once."""
    wrong = 0
    for number, column in zip(found, zip(*rows)):
        exact = sum(Fraction(float(x)) * w for x, w in zip(column, weights)) / sum(weights)
        wrong += not is_nearest(number, exact)
    return wrong


def is_nearest(number: np.floating, exact: Fraction) -> bool:
    """Whether no number of the same type is nearer; of two, the even one."""
    infinity = number.dtype.type(np.inf)
    own = abs(Fraction(float(number)) - exact)
    for other in (np.nextafter(number, -infinity), np.nextafter(number, infinity)):
        distance = abs(Fraction(float(other)) - exact)
        bits = int(number.view(f"u{number.dtype.itemsize}"))
        if distance < own or (distance == own and bits % 2 == 1):
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
