"""Runs a job on a server and compares the mean with the exact one, bit by bit.

    python scripts/check_served_mean.py http://127.0.0.1:3000 --workers 3

Uploads files of numbers of very different size, which no sum of floats gets
right, waits until the workers are there, and submits the job. Nothing but the
standard library; exits with 1 if a single bit is wrong.
"""

import argparse
import json
import random
import struct
import sys
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from client import Client  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="its address, such as http://127.0.0.1:3000")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--count", type=int, default=2000, help="numbers in a file")
    parser.add_argument("--seconds", type=float, default=120, help="how long all may take")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    client = Client(arguments.server)

    workers = ready_workers(client, arguments.workers, deadline)
    print(f"{len(workers)} workers: {', '.join(sorted(worker['id'] for worker in workers))}")

    draw = random.Random(1)
    rows = [
        [draw.uniform(-1, 1) * 2.0 ** draw.randint(-80, 80) for _ in range(arguments.count)]
        for _ in range(arguments.files)
    ]
    prefix = f"check/{time.time_ns()}/"
    for number, row in enumerate(rows):
        text = ",".join(map(repr, row)) + "\n"
        client.upload(f"{prefix}{number:04}.csv", text.encode())

    began = time.monotonic()
    job = client.submit({
        "inputs": {"prefix": prefix}, "name": "check", "workers": arguments.workers, "fan_in": 4,
    })
    for job in client.wait(job["id"]):
        if time.monotonic() > deadline:
            raise SystemExit(f"the job is not over in time: {job}")
    if job["phase"] != "done":
        raise SystemExit(f"the job is {job['phase']}: {job.get('error')}")
    seconds = time.monotonic() - began

    mean = numbers(client.result(job["id"]))
    exact = [float(sum(map(Fraction, column)) / len(rows)) for column in zip(*rows)]
    if len(mean) != len(exact):
        raise SystemExit(f"the mean has {len(mean)} numbers instead of {len(exact)}")
    wrong = sum(bits(found) != bits(wanted) for found, wanted in zip(mean, exact))
    plain = sum(bits(sum(column) / len(rows)) != bits(wanted)
                for column, wanted in zip(zip(*rows), exact))
    print(f"{arguments.files} files of {arguments.count} numbers in {seconds:.1f} s; "
          f"{wrong} of {len(exact)} means wrong (by plain addition {plain})")
    return 1 if wrong else 0


def ready_workers(client: Client, wanted: int, deadline: float) -> list[dict]:
    """The workers, once there are that many."""
    while True:
        try:
            with client._call("GET", "/api/workers") as answer:
                pool = json.load(answer)
        except OSError as error:
            pool = {"ready": 0, "error": str(error)}
        if pool["ready"] >= wanted:
            return pool["workers"]
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {wanted} workers: {pool}")
        time.sleep(0.5)


def numbers(npy: bytes) -> list[float]:
    """What a .npy file of little-endian doubles holds."""
    if npy[:6] != b"\x93NUMPY" or b"'<f8'" not in npy[:128]:
        raise SystemExit(f"not a .npy file of doubles: {npy[:128]!r}")
    start = 10 + struct.unpack_from("<H", npy, 8)[0]
    return [number for (number,) in struct.iter_unpack("<d", npy[start:])]


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


if __name__ == "__main__":
    sys.exit(main())
