"""Averages real data sets by a running server, and checks the results.

    python average.py http://127.0.0.1:3000

Uploads the files, submits a job for each set, follows it by server-sent events,
and compares the result with the exact mean (Python's fractions) and with that of the package
whose files they are: NumPy, pandas or xarray.
"""

import argparse
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

import datasets
from client import Client

Files = list[tuple[str, bytes]]


@dataclass
class Example:
    """A data set: what is asked for, and how its files and its result are read."""

    name: str
    title: str
    files: Files
    # The numbers of a file, NaN where one is missing.
    read: Callable[[bytes], np.ndarray]
    # The package's own mean of all files.
    own: Callable[[Files], np.ndarray]
    own_name: str = "numpy.mean"
    request: dict = field(default_factory=dict)
    format: str = "npy"
    # The numbers of a result.
    read_result: Callable[[bytes], np.ndarray] = lambda content: np.load(io.BytesIO(content))
    weights: dict[str, int] = field(default_factory=dict)


def examples() -> list[Example]:
    numbers = lambda content: np.array([float(x) for x in content.decode().split(",")])
    array = lambda content: np.load(io.BytesIO(content))
    samples = datasets.samples()
    return [
        Example("digits", "Mean of 1,797 handwritten digits", list(datasets.digits()), array,
                numpy_mean(array)),
        Example("el-nino", "Mean year of sea-surface temperatures, El Niño 1950 to 2010",
                list(datasets.el_nino()), numbers, numpy_mean(numbers)),
        Example("el-nino-netcdf", "The same as NetCDF, packed",
                list(datasets.el_nino_netcdf()), netcdf, xarray_mean, "xarray's mean",
                format="netcdf", read_result=netcdf),
        Example("carbon-dioxide", "Mean year of carbon dioxide at Mauna Loa, with gaps",
                list(datasets.carbon_dioxide()), table, pandas_mean, "pandas' mean",
                request={"key": "week", "missing": "skip", "statistics": ["count"]},
                format="csv", read_result=table),
        Example("classifiers", "Federated average of classifiers",
                list(datasets.classifiers()), tensors, weighted_mean(samples), "numpy.average",
                request={"weights": samples, "output": {"dtype": "f64"}},
                format="safetensors", read_result=tensors, weights=samples),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="its address, such as http://127.0.0.1:3000")
    client = Client(parser.parse_args().server)

    wrong = 0
    pages = []
    for example in examples():
        prefix = f"examples/{example.name}/"
        print(f"{example.title}: uploading {len(example.files)} files to {prefix}")
        for file, content in example.files:
            client.upload(prefix + file, content)

        request = {"inputs": {"prefix": prefix}, "name": example.title, "fan_in": 5}
        job = client.submit(request | example.request)
        for job in client.wait(job["id"]):
            done = sum(level["completed"] for level in job["progress"])
            total = sum(level["tasks"] for level in job["progress"])
            print(f"  {job['phase']}: {done} of {total} tasks")
        if job["phase"] != "done":
            print(f"  {job.get('error')}", file=sys.stderr)
            return 1

        mean = example.read_result(client.result(job["id"], example.format))
        wrong += _compare(example, mean)
        pages.append(f"{example.title}: {client.page(job['id'])}")

    print()
    print("\n".join(pages))
    return 1 if wrong else 0


def table(content: bytes) -> np.ndarray:
    """The second column of a table."""
    fields = [line.split(",")[1] for line in content.decode().splitlines()[1:]]
    return np.array([float(field or "nan") for field in fields])


def netcdf(content: bytes) -> np.ndarray:
    """The temperatures of a file."""
    import netCDF4

    with netCDF4.Dataset("memory", memory=content) as file:
        return np.asarray(file["sst"][:], dtype=np.float64)


def tensors(content: bytes) -> np.ndarray:
    """The numbers of all tensors of a file."""
    from safetensors.numpy import load

    loaded = load(content)
    return np.concatenate([loaded[name].ravel() for name in sorted(loaded)])


def numpy_mean(read: Callable[[bytes], np.ndarray]) -> Callable[[Files], np.ndarray]:
    return lambda files: np.mean(np.stack([read(content) for _, content in files]), axis=0)


def pandas_mean(files: Files) -> np.ndarray:
    import pandas as pd

    tables = [pd.read_csv(io.BytesIO(content)) for _, content in files]
    return pd.concat(tables).groupby("week")["co2"].mean().to_numpy()


def xarray_mean(files: Files) -> np.ndarray:
    import xarray as xr

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files:
            Path(folder, name).write_bytes(content)
        years = [xr.open_dataset(Path(folder, name)).load() for name, _ in files]
        mean = xr.concat(years, dim="year")["sst"].mean("year").to_numpy()
        for year in years:
            year.close()
    return mean.astype(np.float64)


def weighted_mean(weights: dict[str, int]) -> Callable[[Files], np.ndarray]:
    def mean(files: Files) -> np.ndarray:
        stack = np.stack([tensors(content).astype(np.float64) for _, content in files])
        return np.average(stack, axis=0, weights=[weights[name] for name, _ in files])

    return mean


def _exact(example: Example) -> np.ndarray:
    """The exact mean at each index, rounded once."""
    arrays = [example.read(content) for _, content in example.files]
    weights = [example.weights.get(name, 1) for name, _ in example.files]
    columns = np.stack([array.ravel() for array in arrays]).T
    means = []
    for column in columns:
        there = [(Fraction(float(x)), w) for x, w in zip(column, weights) if not np.isnan(x)]
        means.append(float(sum(x * w for x, w in there) / sum(w for _, w in there)))
    return np.array(means).reshape(arrays[0].shape)


def _compare(example: Example, mean: np.ndarray) -> int:
    """Prints how the mean compares; returns at how many indices it is not exact."""
    exact = _exact(example)
    assert mean.shape == exact.shape, f"{mean.shape} instead of {exact.shape}"
    inexact = int(np.count_nonzero(mean.view(np.uint64) != exact.view(np.uint64)))
    print(f"  shape {mean.shape}; exact at all {mean.size} indices" if inexact == 0
          else f"  NOT EXACT at {inexact} of {mean.size} indices")
    own = example.own(example.files)
    differs = int(np.count_nonzero(own != exact))
    difference = np.max(np.abs(own - exact))
    print(f"  {example.own_name} differs from the exact mean at {differs}, "
          f"by at most {difference:.1e}")
    # No more than roundings apart, or one of the two has averaged something else.
    if difference > 1e-4 * np.max(np.abs(exact)):
        print(f"  NOT {example.own_name}")
        inexact += 1
    return inexact


if __name__ == "__main__":
    # Few iterations are enough for an example.
    warnings.filterwarnings("ignore")
    sys.exit(main())
