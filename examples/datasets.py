"""Data sets that somebody measured, as files to be averaged.

All come with Python packages, so nothing is downloaded but those.
"""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def digits() -> Iterator[tuple[str, bytes]]:
    """1,797 handwritten digits (scikit-learn), a .npy file of 8 x 8 each.

    Their mean keeps the shape, so the result page shows it as a picture.
    """
    from sklearn.datasets import load_digits

    for number, image in enumerate(load_digits().images):
        file = io.BytesIO()
        np.save(file, image)
        yield f"{number:04}.npy", file.getvalue()


def el_nino() -> Iterator[tuple[str, bytes]]:
    """Sea-surface temperatures off Peru, 61 years of 12 months (statsmodels).

    A text file a year; the mean is the mean year.
    """
    for year, months in _el_nino():
        text = ",".join(repr(float(month)) for month in months)
        yield f"{year}.csv", f"{text}\n".encode()


def el_nino_netcdf() -> Iterator[tuple[str, bytes]]:
    """The same as NetCDF-4, a file a year, packed into 16 bits as climate models do."""
    import netCDF4

    with tempfile.TemporaryDirectory() as folder:
        for year, months in _el_nino():
            path = Path(folder) / f"{year}.nc"
            with netCDF4.Dataset(path, "w") as file:
                file.title = "Sea-surface temperatures off Peru"
                file.createDimension("month", 12)
                file.createVariable("month", "i4", ("month",))[:] = np.arange(1, 13)
                sst = file.createVariable("sst", "i2", ("month",), zlib=True, fill_value=-1)
                sst.setncatts({"units": "degC", "scale_factor": 0.01, "add_offset": 20.0})
                sst[:] = months
            yield path.name, path.read_bytes()


def carbon_dioxide() -> Iterator[tuple[str, bytes]]:
    """Carbon dioxide at Mauna Loa, weekly from 1959 to 2000 (statsmodels).

    A table a year, with the week as its key; weeks without a measurement are empty.
    """
    from statsmodels.datasets import co2

    weeks = co2.load_pandas().data["co2"]
    for year in range(1959, 2001):
        measured = weeks[weeks.index.year == year].to_numpy()[:52]
        lines = ["week,co2"]
        for week, value in enumerate(measured, start=1):
            lines.append(f"{week},{'' if np.isnan(value) else repr(float(value))}")
        yield f"{year}.csv", ("\n".join(lines) + "\n").encode()


def classifiers() -> Iterator[tuple[str, bytes]]:
    """Classifiers of the digits, each trained by a writer on samples of its own (scikit-learn).

    Their mean, weighted by the numbers of samples, is federated averaging. `samples` has them.
    """
    from safetensors.numpy import save
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    for writer, part in enumerate(_parts(len(data.data))):
        model = LogisticRegression(max_iter=50)
        with np.errstate(all="ignore"):
            model.fit(data.data[part] / 16, data.target[part])
        tensors = {
            "coefficients": model.coef_.astype("float32"),
            "intercept": model.intercept_.astype("float32"),
        }
        yield f"writer-{writer}.safetensors", save(tensors, metadata={"format": "np"})


def samples() -> dict[str, int]:
    """The number of samples of each classifier."""
    from sklearn.datasets import load_digits

    parts = _parts(len(load_digits().data))
    return {f"writer-{writer}.safetensors": len(part) for writer, part in enumerate(parts)}


def _parts(count: int) -> list[np.ndarray]:
    """Parts of different sizes, which nobody shares."""
    order = np.random.default_rng(1).permutation(count)
    return np.split(order, [count // 15, count // 5, count // 2])


def _el_nino() -> Iterator[tuple[int, list[float]]]:
    from statsmodels.datasets import elnino

    for row in elnino.load_pandas().data.itertuples(index=False):
        year, *months = row
        yield int(year), months
