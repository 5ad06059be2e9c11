# ruff: noqa: T201
"""`python -m sampler CONFIG.json`, see the package."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

config = json.loads(Path(sys.argv[1]).read_text())
directory = Path(config["directory"])
behaviour = Path("behaviour") / config["deployment"].rpartition("/")[2]


def end(code: int, reason: str, message: str) -> None:
    (directory / "exit-reason.json").write_text(json.dumps({"reason": reason, "message": message}))
    sys.stdout.flush()
    os._exit(code)


class Face(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers.get("X-Api-Key") == os.environ["SLIPWAY_TRAINER_TOKEN"]
        self.send_response(401 if not allowed else 200 if self.path == "/api/v1/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Probes are not worth a line."""


signal.signal(signal.SIGTERM, lambda *_: end(143, "TERMINATED", "Terminated."))
print(f"serves {config['deployment']} with {config['engine']}, weights of {config['trainer_job']}", flush=True)
if config["snapshot"]:
    (directory / "loaded.json").write_text(json.dumps({"identity": config["snapshot"]}))
server = ThreadingHTTPServer((config["host"], config["port"]), Face)
threading.Thread(target=server.serve_forever, daemon=True).start()
(directory / "endpoint.json").write_text(json.dumps({"host": config["host"], "port": server.server_address[1]}))
while not behaviour.with_suffix(".exit").exists():
    time.sleep(0.02)
code = int(behaviour.with_suffix(".exit").read_text())
end(code, "INACTIVE" if code == 20 else "ERROR", "Told to end.")
