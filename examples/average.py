"""Averages two real data sets by a running server, and checks the results.

    python average.py http://127.0.0.1:3000

Uploads the files, submits a job for each set, follows it by server-sent events,
and compares the result with the exact mean (Python's fractions) and with NumPy.
"""

import argparse
import io
import sys
from fractions import Fraction

import numpy as np

from client import Client
from datasets import digits, el_nino


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="its address, such as http://127.0.0.1:3000")
    client = Client(parser.parse_args().server)

    wrong = 0
    pages = []
    for name, title, files in (
        ("digits", "Mean of 1,797 handwritten digits", list(digits())),
        ("el-nino", "Mean year of sea-surface temperatures, El Niño 1950 to 2010", list(el_nino())),
    ):
        prefix = f"examples/{name}/"
        print(f"{title}: uploading {len(files)} files to {prefix}")
        for file, content in files:
            client.upload(prefix + file, content)

        job = client.submit({"inputs": {"prefix": prefix}, "name": title, "fan_in": 5})
        for job in client.wait(job["id"]):
            done = sum(level["completed"] for level in job["progress"])
            total = sum(level["tasks"] for level in job["progress"])
            print(f"  {job['phase']}: {done} of {total} tasks")
        if job["phase"] != "done":
            print(f"  {job.get('error')}", file=sys.stderr)
            return 1

        mean = np.load(io.BytesIO(client.result(job["id"])))
        arrays = [_read(file, content) for file, content in files]
        wrong += _compare(mean, arrays)
        pages.append(f"{title}: {client.page(job['id'])}")

    print()
    print("\n".join(pages))
    return 1 if wrong else 0


def _read(file: str, content: bytes) -> np.ndarray:
    if file.endswith(".npy"):
        return np.load(io.BytesIO(content))
    return np.array([float(number) for number in content.decode().split(",")])


def _compare(mean: np.ndarray, arrays: list[np.ndarray]) -> int:
    """Prints how the mean compares; returns at how many indices it is not exact."""
    exact = np.array(
        [float(sum(map(Fraction, map(float, column))) / len(arrays))
         for column in np.stack([array.ravel() for array in arrays]).T]
    ).reshape(arrays[0].shape)
    assert mean.shape == exact.shape, f"{mean.shape} instead of {exact.shape}"
    inexact = int(np.count_nonzero(mean.view(np.uint64) != exact.view(np.uint64)))
    numpy_mean = np.mean(np.stack(arrays), axis=0)
    numpy_inexact = int(np.count_nonzero(numpy_mean != exact))
    print(f"  shape {mean.shape}; exact at all {mean.size} indices" if inexact == 0
          else f"  NOT EXACT at {inexact} of {mean.size} indices")
    print(f"  numpy.mean differs from the exact mean at {numpy_inexact}, "
          f"by at most {np.max(np.abs(numpy_mean - exact)):.1e}")
    return inexact


if __name__ == "__main__":
    sys.exit(main())
