"""Two data sets that somebody measured, as files to be averaged.

Both come with Python packages, so nothing is downloaded but those.
"""

import io
from collections.abc import Iterator

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
    from statsmodels.datasets import elnino

    for row in elnino.load_pandas().data.itertuples(index=False):
        year, *months = row
        text = ",".join(repr(float(month)) for month in months)
        yield f"{int(year)}.csv", f"{text}\n".encode()
