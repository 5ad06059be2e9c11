"""A control plane that does next to nothing as fast as it can: jobs run once they are made, and it counts what it did.

python -m benchmarks.bare_control_plane     prints its port, ends when its standard input does
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "team"
JOBS = f"/v1/accounts/{ACCOUNT}/rlorTrainerJobs"
COUNTS = "/counts"
OVER = ("COMPLETED", "FAILED", "CANCELLED")


class BareControlPlane(ThreadingHTTPServer):
    """Its jobs by id, and how often which of its doors was used."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Doors)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.turn = threading.RLock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who asked was killed, which is what happens here."""


class _Doors(BaseHTTPRequestHandler):
    server: BareControlPlane
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = self._asked()
        if path == COUNTS:
            return self._answer(200, dict(self.server.counts) | {"jobs": len(self.server.jobs)})
        if path.startswith("/training/"):
            return self._counted("healthz", 200, {})
        if path == "/v1/accounts":
            return self._counted("accounts", 200, {"accounts": [{"name": f"accounts/{ACCOUNT}"}]})
        if path == JOBS:
            return self._list(query)
        job = self.server.jobs.get(path.removeprefix(f"{JOBS}/"))
        return (
            self._counted("looked", 200, job) if job else self._refuse(404, "looked in vain", "There is no such job.")
        )

    def do_POST(self) -> None:
        path, query = self._asked()
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if found := re.fullmatch(rf"{JOBS}/([a-z0-9-]+):cancel", path):
            if found[1] not in self.server.jobs:
                return self._refuse(404, "cancelled in vain", "There is no such job.")
            self.server.jobs[found[1]]["state"] = "JOB_STATE_CANCELLED"
            return self._counted("cancelled", 200, self.server.jobs[found[1]])
        with self.server.turn:
            if query["rlorTrainerJobId"] in self.server.jobs:
                return self._refuse(409, "made twice", "There is such a job already.")
            job = body | {"name": f"accounts/{ACCOUNT}/rlorTrainerJobs/{query['rlorTrainerJobId']}"}
            job |= {"state": "JOB_STATE_RUNNING", "createTime": "2026-01-01T00:00:00Z"}
            self.server.jobs[query["rlorTrainerJobId"]] = job
        return self._counted("made", 200, job)

    def _list(self, query: dict[str, str]) -> None:
        living = [job for job in list(self.server.jobs.values()) if not job["state"].endswith(OVER)]
        start, size = int(query.get("pageToken", 0)), int(query.get("pageSize", 50))
        page = {"rlorTrainerJobs": living[start : start + size], "totalSize": len(living)}
        self._counted("listed", 200, page | ({"nextPageToken": str(start + size)} if living[start + size :] else {}))

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}

    def _refuse(self, status: int, door: str, message: str) -> None:
        self._counted(door, status, {"code": 5 if status == 404 else 6, "message": message})

    def _counted(self, door: str, status: int, body: object) -> None:
        with self.server.turn:
            self.server.counts[door] += 1
        self._answer(status, body)

    def _answer(self, status: int, body: object) -> None:
        written = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it is read by nobody."""


def main() -> None:
    """Serve until standard input ends."""
    server = BareControlPlane()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
