"""Measures the peak resident memory of summing files larger than what may be held.

8 files each, fan-in 8, one worker: .npy of 40,000,000 f8 (2.5 GB), then text of
10,000,000 numbers (1.5 GB). The files are generated and deleted again. Exits
with 1 if a process held more than the limit, or `mean` more than it had said.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

FILES = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=Path, required=True, help="the folder of the programs")
    parser.add_argument("--npy-count", type=int, default=40_000_000)
    parser.add_argument("--csv-count", type=int, default=10_000_000)
    parser.add_argument("--limit", type=int, default=160, help="MiB that a process may hold")
    parser.add_argument("--queue", help="amqp://...: measures the worker program too")
    arguments = parser.parse_args()
    within = True
    for form, count in (("npy", arguments.npy_count), ("csv", arguments.csv_count)):
        with tempfile.TemporaryDirectory(prefix="measure-memory-") as scratch:
            within &= measure(arguments, form, count, Path(scratch))
    return 0 if within else 1


def measure(arguments: argparse.Namespace, form: str, count: int, scratch: Path) -> bool:
    """Prints what each program held; returns whether that is within the limit."""
    program = arguments.programs / "distributed-average"
    store = scratch / "store"
    folder = store / "files"
    folder.mkdir(parents=True)
    subprocess.run(
        [program, "generate", folder, "--files", str(FILES), "--count", str(count),
         "--format", form, "--seed", "1"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{FILES} {form} files of {count:,} numbers, {size / 1e9:.2f} GB, one worker")
    mean = [program, "mean", folder, "--output", scratch / "mean.npy", "--fan-in", str(FILES),
            "--workers", "1", "--scratch", scratch, "--verbose"]
    started = time.perf_counter()
    process = subprocess.Popen(mean, stderr=subprocess.PIPE, text=True)
    told = process.stderr.read()
    held = {"distributed-average mean": peak(process)}
    print(f"  {time.perf_counter() - started:.2f} s")
    limits = {"distributed-average mean": min(arguments.limit, bound_of(told))}
    if arguments.queue:
        held |= with_worker_program(arguments, store, scratch)
    shutil.rmtree(store)
    within = True
    for name, kibibytes in held.items():
        mebibytes, limit = kibibytes / 1024, limits.get(name, arguments.limit)
        print(f"  {name:<28}{mebibytes:>8.1f} MiB at its peak, limit {limit} MiB")
        within &= mebibytes <= limit
    print()
    return within


def bound_of(told: str) -> float:
    """What `mean` says before it begins that it will hold at most, in MiB."""
    return float(re.search(r"^memory  at most ([\d.]+) MiB", told, re.MULTILINE).group(1))


def peak(process: subprocess.Popen) -> int:
    """Waits for a process; its peak resident memory in KiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{process.args[:2]} ended with {process.returncode}")
    return usage.ru_maxrss


def with_worker_program(arguments: argparse.Namespace, store: Path, scratch: Path) -> dict:
    """The same job by a server and a worker program, through RabbitMQ."""
    parts = ["--queue", arguments.queue, "--store", store,
             "--queue-prefix", f"measure-memory-{os.getpid()}"]
    server = subprocess.Popen(
        [arguments.programs / "distributed-average", "serve", *parts,
         "--pool", "external", "--listen", "127.0.0.1:0", "--workers", "1"],
        stdout=subprocess.PIPE, text=True,
    )
    worker = None
    try:
        url = re.search(r"http://\S+", server.stdout.readline()).group()
        worker = subprocess.Popen([arguments.programs / "distributed-average-worker", *parts])
        job = call(f"{url}/api/jobs", {"inputs": {"prefix": "files"}, "fan_in": FILES, "workers": 1})
        while job["phase"] not in ("done", "failed", "cancelled"):
            time.sleep(0.1)
            job = call(f"{url}/api/jobs/{job['id']}")
        if job["phase"] != "done":
            raise SystemExit(f"the job is {job['phase']}: {job.get('error')}")
        held = {}
        for name, process in (("distributed-average-worker", worker), ("its server", server)):
            process.send_signal(signal.SIGTERM)
            held[name] = peak(process)
        return held
    finally:
        for process in (worker, server):
            if process and process.returncode is None:
                process.kill()


def call(url: str, body: dict | None = None) -> dict:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
