"""Averages NetCDF files that netCDF4-python has written, and compares the results exactly.

    python scripts/check_netcdf.py PROGRAM

What is expected is computed with fractions from what netCDF4-python reads back; it also
opens the results, whose dimensions, coordinates and attributes must be those of the inputs.
Ends with 1 if a single bit of a single case is wrong.
"""

import itertools
import math
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import h5py
import netCDF4
import numpy as np

from check_formats import FLOATS, Failed, compare, nearest, run

FILES = 5

# How files are stored: the format, and the options of their variables.
STORAGE = {
    "classic": ("NETCDF3_CLASSIC", {}),
    "64-bit offset": ("NETCDF3_64BIT_OFFSET", {}),
    "cdf-5": ("NETCDF3_64BIT_DATA", {}),
    "netcdf-4": ("NETCDF4", {}),
    "netcdf-4, whole": ("NETCDF4", {"contiguous": True}),
    "netcdf-4, deflate": ("NETCDF4", {"zlib": True, "complevel": 1, "shuffle": False}),
    "netcdf-4, all filters": (
        "NETCDF4",
        {"zlib": True, "complevel": 9, "shuffle": True, "fletcher32": True, "chunks": (2, 3, 2)},
    ),
    "netcdf-4, chunks": ("NETCDF4_CLASSIC", {"chunks": (1, 2, 5)}),
    "netcdf-4, checksums": ("NETCDF4", {"fletcher32": True, "chunks": (3, 1, 1)}),
    "netcdf-4, big-endian": ("NETCDF4", {"endian": "big", "chunks": (1, 4, 5)}),
    "netcdf-4, zstd": ("NETCDF4", {"compression": "zstd", "chunks": (2, 4, 3)}),
}

# The shapes of variables that are stored in one piece cannot grow.
FIXED = {"netcdf-4, whole"}

# What is in a file: the types of its variables, and what they have of missing values.
CONTENT = {
    "single": [("tas", "f4", {})],
    "double": [("tas", "f8", {})],
    "short": [("tas", "i2", {})],
    "packed": [("tas", "i2", {"scale_factor": 0.01, "add_offset": 273.15})],
    "scaled": [("tas", "i4", {"scale_factor": 1e-3})],
    "missing": [("tas", "f4", {"_FillValue": np.float32(1e20)})],
    "packed, missing": [
        ("tas", "i2", {"scale_factor": 0.5, "add_offset": -3.25, "_FillValue": np.int16(-999)}),
    ],
    "valid range": [("tas", "i2", {"valid_range": np.array([-900, 900], "i2")})],
    "several": [
        ("tas", "f4", {"missing_value": np.float32(-1e30)}),
        ("height", "f8", {}),
        ("pr", "i2", {"scale_factor": 0.25, "missing_value": np.int16(-1)}),
        ("steps", "i1", {}),
    ],
}

LATITUDES = np.array([-67.5, -22.5, 22.5, 67.5])
LONGITUDES = np.arange(0, 360, 72.0)
RECORDS = 3


def numbers(draw: np.random.Generator, dtype: str, shape: tuple, attributes: dict) -> np.ndarray:
    """Numbers of a type as they are stored, some of which are missing."""
    if dtype.startswith("f"):
        stored = (draw.normal(size=shape) * 10.0 ** draw.integers(-6, 6, shape)).astype(dtype)
    else:
        # Not -127: in bytes netCDF4-python takes it for missing, though every byte is a value.
        most = 2 ** min(8 * int(dtype[1]) - 1, 10)
        stored = draw.integers(2 - most, most, shape)
        stored = stored.astype(dtype)
    for name in ("_FillValue", "missing_value"):
        if name in attributes:
            stored[draw.random(shape) < 0.3] = attributes[name]
    return stored


def write(path: Path, storage: str, content: list, unlimited: bool, draw) -> None:
    """A file as a climate model would write it."""
    form, options = STORAGE[storage]
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.setncatts({"Conventions": "CF-1.8", "history": "made for a check", "n": np.int32(7)})
        file.createDimension("time", None if unlimited else RECORDS)
        file.createDimension("lat", len(LATITUDES))
        file.createDimension("lon", len(LONGITUDES))
        file.createDimension("bnds", 2)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 2001-01-01", "bounds": "time_bnds", "axis": "T"})
        bounds = file.createVariable("time_bnds", "f8", ("time", "bnds"))
        lat = file.createVariable("lat", "f4", ("lat",))
        lat.setncatts({"units": "degrees_north", "standard_name": "latitude"})
        lon = file.createVariable("lon", "f8", ("lon",))
        lon.units = "degrees_east"
        level = file.createVariable("level", "i4", ())
        level.units = "m"
        for name, dtype, attributes in content:
            dimensions = ("lat", "lon") if name == "height" else ("time", "lat", "lon")
            fill = attributes.get("_FillValue")
            chosen = dict(options)
            if "chunks" in chosen:
                chosen["chunksizes"] = chosen.pop("chunks")[-len(dimensions) :]
            variable = file.createVariable(name, dtype, dimensions, fill_value=fill, **chosen)
            others = {key: value for key, value in attributes.items() if key != "_FillValue"}
            variable.setncatts({"units": "K", "coordinates": "level", **others})
            variable.set_auto_maskandscale(False)
            shape = tuple(RECORDS if name == "time" else len(file.dimensions[name]) or RECORDS for name in dimensions)
            variable[:] = numbers(draw, dtype, shape, attributes)
        time[:] = 15.5 + 30.0 * np.arange(RECORDS)
        bounds[:] = np.array([[30.0 * at, 30.0 * at + 30.0] for at in range(RECORDS)])
        lat[:], lon[:], level[:] = LATITUDES, LONGITUDES, 2


def read(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """The values of variables, missing ones as NaN."""
    with netCDF4.Dataset(path) as file:
        read = {name: np.ma.masked_array(file.variables[name][...]) for name in names}
        return {name: np.ma.filled(value.astype("f8"), math.nan) for name, value in read.items()}


def check_form(case: str, result: Path, first: Path, names: list[str], dtypes: dict, fixed: bool) -> None:
    """Compares all of a result but its numbers with the first file."""
    with netCDF4.Dataset(result) as found, netCDF4.Dataset(first) as wanted:
        for name, dimension in wanted.dimensions.items():
            there = found.dimensions[name]
            limits = (there.isunlimited(), not fixed and dimension.isunlimited())
            if len(there) != len(dimension) or limits[0] != limits[1]:
                raise Failed(f"{case}: the dimension {there} instead of {dimension}")
        if set(found.variables) != set(wanted.variables):
            raise Failed(f"{case}: the variables {sorted(found.variables)}")
        for name, variable in wanted.variables.items():
            there = found.variables[name]
            if there.dimensions != variable.dimensions:
                raise Failed(f"{case}: {name} has the dimensions {there.dimensions}")
            if there.dtype != dtypes.get(name, variable.dtype):
                raise Failed(f"{case}: {name} has the type {there.dtype}")
            for key in ("units", "coordinates", "bounds", "standard_name", "axis"):
                if getattr(there, key, None) != getattr(variable, key, None):
                    raise Failed(f"{case}: {name} has another {key}")
            if name not in names:
                both = [np.ma.getdata(one[...]) for one in (there, variable)]
                if not np.array_equal(*both):
                    raise Failed(f"{case}: the coordinate {name} is {both[0]}")
        lines = found.history.splitlines()
        if lines[1:] != ["made for a check"] or "distributed-average" not in lines[0]:
            raise Failed(f"{case}: the history {found.history!r}")
        if found.Conventions != "CF-1.8" or found.n != 7:
            raise Failed(f"{case}: the attributes {found.ncattrs()}")


def rounded(value: Fraction | float, dtype: np.dtype) -> float:
    """An exact value as a type, rounded once; NaN as it is."""
    if dtype == np.float64 or not isinstance(value, Fraction):
        return float(value)
    return float(np.uint32(nearest(value, *FLOATS["F32"][2:])).view(np.float32))


def exact_mean(values: list[float]) -> Fraction | float:
    """The mean of the values that are there, not rounded; NaN if none is."""
    values = [value for value in values if not math.isnan(value)]
    return sum(map(Fraction, values)) / len(values) if values else math.nan


def check(program: str, case: str, folder: Path, content: list, asked: str, unlimited: bool) -> None:
    names = [name for name, *_ in content]
    inputs = [f"{file}.nc" for file in range(FILES)]
    arguments = ["--fan-in", "2", "--missing", "skip", "--output", "mean.nc"]
    arguments += ["--dtype", asked] if asked else []
    run(program, folder, *inputs, *arguments)
    singles = {
        name: asked == "f32"
        or (asked == "input" and dtype == "f4" and not {"scale_factor", "add_offset"} & set(attributes))
        for name, dtype, attributes in content
    }
    dtypes = {name: np.dtype("f4" if single else "f8") for name, single in singles.items()}
    several = sum(name != "height" for name in names) > 1
    check_form(case, folder / "mean.nc", folder / "0.nc", names, dtypes, several)
    arrays = [read(folder / name, names) for name in inputs]
    found = read(folder / "mean.nc", names)
    for name in names:
        columns = zip(*(array[name].ravel().tolist() for array in arrays))
        for index, (number, values) in enumerate(zip(found[name].ravel().tolist(), columns)):
            expected = rounded(exact_mean(list(values)), dtypes[name])
            if number != expected and not (math.isnan(number) and math.isnan(expected)):
                what = f"{name}, index {index}: {number!r} instead of {expected!r}"
                raise Failed(f"{case}: {what} of {values}")


def variable_case(program: str, number: int, storage: str, kind: str, unlimited: bool, asked: str) -> None:
    """One case: files of a storage and a content."""
    quiet()
    case = f"{storage}, {kind}, {'unlimited' if unlimited else 'fixed'}"
    draw, content = np.random.default_rng(number), CONTENT[kind]
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        for file in range(FILES):
            write(folder / f"{file}.nc", storage, content, unlimited, draw)
        check(program, case, folder, content, asked, unlimited)


def variables(program: str, pool: Executor) -> list[Future]:
    """Files of netCDF4-python. Every storage and every content has both kinds of dimensions."""
    asked = itertools.cycle(("", "f64", "f32", "input"))
    cases = []
    for number, (storage, kind) in enumerate(itertools.product(STORAGE, CONTENT)):
        unlimited = number % 2 == 1 and storage not in FIXED
        arguments = (program, number, storage, kind, unlimited, next(asked))
        cases.append(pool.submit(variable_case, *arguments))
    return cases


def odd_files() -> dict[str, Callable[[Path, np.ndarray], str]]:
    """Files that HDF5 can hold beside the usual ones: each writes a file, and names a variable."""

    def groups(path: Path, value: np.ndarray) -> str:
        with netCDF4.Dataset(path, "w") as file:
            group = file.createGroup("run").createGroup("inner")
            group.createDimension("y", 40), group.createDimension("x", 30)
            group.createVariable("v", "f8", ("y", "x"))[:] = value
            for number in range(40):
                file.setncattr(f"attribute {number}", "x" * number)
        return "run/inner/v"

    def many(path: Path, value: np.ndarray) -> str:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("y", 40), file.createDimension("x", 30)
            for number in range(60):
                file.createVariable(f"v{number:02}", "f8", ("y", "x"))[:] = value + number
        return "v00"

    def many_chunks(path: Path, value: np.ndarray) -> str:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("y", None), file.createDimension("x", None)
            options = {"zlib": True, "chunksizes": (1, 1)}
            file.createVariable("v", "f8", ("y", "x"), **options)[:40, :30] = value
        return "v"

    def never_written(path: Path, value: np.ndarray) -> str:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("y", 40), file.createDimension("x", 30)
            variable = file.createVariable("v", "f8", ("y", "x"), chunksizes=(8, 7), zlib=True)
            variable[3:9, 5:17] = value[3:9, 5:17]
        return "v"

    def plain_hdf5(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w") as file:
            file.create_dataset("v", data=value, chunks=(7, 11), compression="gzip")
        return "v"

    def new_hdf5(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value, chunks=(7, 11), compression="gzip", shuffle=True)
        return "v"

    def paged_hdf5(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value.reshape(-1), chunks=(1,))
        return "v"

    def single_chunk(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value, chunks=(40, 30), compression="gzip")
            file.create_dataset("other", data=value, chunks=(40, 30))
        return "v"

    def compact(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            space = h5py.h5s.create_simple((40, 30))
            data = h5py.h5d.create(file.id, b"v", h5py.h5t.IEEE_F64BE, space, plist)
            data.write(h5py.h5s.ALL, h5py.h5s.ALL, value)
        return "v"

    def growing(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w", libver="latest") as file:
            data = file.create_dataset("v", (1, 30), "f8", chunks=(1, 7), maxshape=(None, 50))
            for rows in (3, 17, 40):
                data.resize(rows, axis=0)
            data[:] = value
        return "v"

    def growing_inside(path: Path, value: np.ndarray) -> str:
        options = {"chunks": (3, 1), "maxshape": (99, None), "compression": "gzip"}
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value, shuffle=True, fletcher32=True, **options)
            file.attrs["text"] = "of any length, größer als ASCII"
        return "v"

    def growing_both_ways(path: Path, value: np.ndarray) -> str:
        options = {"chunks": (1, 2), "maxshape": (None, None), "compression": "gzip"}
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value, **options)
        return "v"

    def may_be_larger(path: Path, value: np.ndarray) -> str:
        with h5py.File(path, "w", libver="latest") as file:
            file.create_dataset("v", data=value, chunks=(7, 11), maxshape=(70, 100))
        return "v"

    kinds = (
        groups, many, many_chunks, never_written, plain_hdf5, new_hdf5, paged_hdf5, single_chunk,
        compact, growing, growing_inside, growing_both_ways, may_be_larger,
    )
    return {kind.__name__: kind for kind in kinds}


def odd_case(program: str, kind: str) -> None:
    """One case of these files."""
    quiet()
    values = np.random.default_rng(7).normal(size=(FILES, 40, 30))
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        for file, value in enumerate(values):
            name = odd_files()[kind](folder / f"{file}.nc", value)
        inputs = [f"{file}.nc" for file in range(FILES)]
        missing = ["--missing", "skip", "--select", name]
        for output in ("mean.npy", "mean.nc"):
            run(program, folder, *inputs, *missing, "--fan-in", "2", "--output", output)
        arrays = []
        for path in inputs:
            with netCDF4.Dataset(folder / path) as file:
                value = np.ma.masked_array(file[name][...]).astype("f8")
                arrays.append(np.ma.filled(value, math.nan))
        with netCDF4.Dataset(folder / "mean.nc") as file:
            found = np.ma.filled(file.variables[name.replace("/", "_")][...], math.nan)
            if kind == "growing_inside" and file.text != "of any length, größer als ASCII":
                raise Failed(f"{kind}: the attribute {file.text!r}")
        for found in (found, np.load(folder / "mean.npy")):
            try:
                compare(found, arrays, skips=True)
            except Failed as failed:
                raise Failed(f"{kind}: {failed}") from failed


# Variables that are large and nearly empty: their lengths and chunks, whether they may grow, and
# the columns that are written.
LARGE = {
    # The last blocks of their index of chunks consist of pages.
    "a growing variable of 135,000 chunks": ((135_000,), (1,), True, ((0, 50), (130_900, 135_000))),
    # A row takes 72 MiB, more than is in memory at a time.
    "rows that are cut": ((1, 9 << 20), (1, 1 << 20), False, ((5, 999), (8_500_000, 9 << 20))),
}


def large_case(program: str, kind: str) -> None:
    """One case of these, of whole numbers, whose mean is exact."""
    quiet()
    shape, chunks, grows, written = LARGE[kind]
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        expected = np.zeros(math.prod(shape))
        for file in range(2):
            with h5py.File(folder / f"{file}.nc", "w", libver="latest") as opened:
                options = {"compression": "gzip", "compression_opts": 1}
                if grows:
                    options = {"maxshape": (None,)}
                data = opened.create_dataset("v", shape, "f8", chunks=chunks, **options)
                for start, end in written:
                    values = (np.arange(start, end) * (file + 3.0)) % 1000
                    data[..., start:end] = values
                    expected[start:end] += values
        run(program, folder, "0.nc", "1.nc", "--output", "mean.npy")
        found = np.load(folder / "mean.npy")
        if found.shape != shape or not np.array_equal(found.ravel(), expected / 2):
            raise Failed(f"{kind}: another mean than that of its numbers")


def quiet() -> None:
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")


def main() -> int:
    program = str(Path(sys.argv[1]).absolute())
    # The libraries cannot be used by several threads at a time.
    with ProcessPoolExecutor() as pool:
        usual = variables(program, pool)
        odd = [pool.submit(odd_case, program, kind) for kind in odd_files()]
        large = [pool.submit(large_case, program, kind) for kind in LARGE]
        try:
            for case in (*usual, *odd, *large):
                case.result()
        except Failed as failed:
            pool.shutdown(cancel_futures=True)
            print(f"files of netCDF4-python: {failed}", file=sys.stderr)
            return 1
    print(f"files of netCDF4-python: {len(usual)} cases, every bit as it should be")
    print(f"odd files of netCDF4 and h5py: {len(odd)} cases, every bit as it should be")
    print(f"large files of h5py: {len(large)} cases, every bit as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
