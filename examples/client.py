"""A client of the server's JSON API, with nothing but the standard library."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator


class Refused(Exception):
    """The server's answer to a call that it did not carry out."""


class Client:
    """Calls one server."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def upload(self, key: str, content: bytes) -> None:
        """Puts a file into the server's store."""
        self._call("PUT", f"/api/files/{key}", content).close()

    def submit(self, request: dict) -> dict:
        """Submits a job and returns its first snapshot."""
        with self._call("POST", "/api/jobs", json.dumps(request).encode()) as answer:
            return json.load(answer)

    def wait(self, job_id: str) -> Iterator[dict]:
        """The job's snapshots as they come, the last one when it is over."""
        with self._call("GET", f"/api/jobs/{job_id}/events") as answer:
            for name, data in _events(answer):
                jobs = {"job": [data], "snapshot": data.get("jobs", [])}.get(name, [])
                for job in jobs:
                    if job["id"] == job_id:
                        yield job
                        if job["phase"] in ("done", "failed", "cancelled"):
                            return

    def result(self, job_id: str, file_format: str = "npy") -> bytes:
        """The mean as a file."""
        with self._call("GET", f"/api/jobs/{job_id}/result?format={file_format}") as answer:
            return answer.read()

    def page(self, job_id: str) -> str:
        """The link to the job's page."""
        return f"{self.address}/jobs/{job_id}"

    def _call(self, method: str, path: str, body: bytes | None = None):
        request = urllib.request.Request(self.address + path, data=body, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            return urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from None


def _events(lines) -> Iterator[tuple[str, dict]]:
    """Server-sent events: their names, and their data read as JSON."""
    name, data = "message", []
    for line in lines:
        field, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "" and value == "":
            if data:
                yield name, json.loads("\n".join(data))
            name, data = "message", []
