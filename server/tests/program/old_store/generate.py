"""Makes a store with jobs that are done, failed and interrupted.

    python generate.py distributed-average STORE

`distributed-average` is the program of the version that the store is to be of.
Nothing but the standard library.
"""

import json
import shutil
import subprocess
import sys
import time
import urllib.request

program, store = sys.argv[1:]
shutil.rmtree(store, ignore_errors=True)


def start(*arguments):
    """Starts a server of the store; returns it and its address."""
    command = [program, "serve", "--store", store, "--listen", "127.0.0.1:0", "--workers", "1"]
    server = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
    for line in server.stdout:
        if "listening on" in line:
            return server, line.split()[-1]
    raise SystemExit("the server ended")


def call(path, method="GET", body=None):
    """The answer to a request, read as JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address + path, data, method=method)) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def submit(name, **request):
    return call("/api/jobs", "POST", {"name": name, "workers": 1, **request})["id"]


def wait(job, holds):
    """Waits until something holds for the snapshot of a job."""
    while not holds(call(f"/api/jobs/{job}")):
        time.sleep(0.01)


def is_over(job):
    return job["phase"] in ("done", "failed", "cancelled")


def completed(count):
    """Whether so many leaf tasks are completed."""
    return lambda job: job["progress"] and job["progress"][0]["completed"] >= count


server, address = start()
years = ["1.5,2,-3\n4e300", "2.5,0.1,7\n1e-300", "0.25,0.2,nan\n-4e300", "3,0.3,1\n2"]
for year, text in enumerate(years, 1950):
    call(f"/api/files/weather/{year}.csv", "PUT", text.encode())
call("/api/files/broken/a.csv", "PUT", b"1,2,3\n")
call("/api/files/broken/b.csv", "PUT", b"1,two,3\n")
statistics = ["sum", "min", "max", "variance", "std"]
wait(submit("four years", inputs={"prefix": "weather"}, fan_in=2, statistics=statistics), is_over)
wait(submit("a word among numbers", inputs={"prefix": "broken"}), is_over)
server.terminate()
server.wait()

server, address = start("--slowness", "1000")
text = {"files": 12, "count": 40, "format": "csv", "seed": 3}
wait(submit("text, interrupted", inputs={"generate": text}, fan_in=3), completed(2))
arrays = {"files": 9, "count": 40, "format": "npy", "seed": 4}
wait(submit("arrays, interrupted", inputs={"generate": arrays}, fan_in=3, statistics=["std"]), completed(1))
server.kill()
server.wait()
