# ruff: noqa: T201
"""`python -m sampler CONFIG.json`, see the package."""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

config = json.loads(Path(sys.argv[1]).read_text())
directory = Path(config["directory"])
behaviour = Path("behaviour") / config["deployment"].rpartition("/")[2]
HOT_LOADED = "/hot_load/v1/models/hot_load"
loaded: dict[str, Any] = {"current_snapshot_identity": None, "readiness": True, "loading_state": {"stage": "ready"}}


def end(code: int, reason: str, message: str) -> None:
    (directory / "exit-reason.json").write_text(json.dumps({"reason": reason, "message": message}))
    sys.stdout.flush()
    os._exit(code)


def load(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Whatever is not called bad; a delta only of what is loaded."""
    identity, serving = asked["identity"], loaded["current_snapshot_identity"]
    previous = (asked.get("incremental_snapshot_metadata") or {}).get("previous_snapshot_identity", serving)
    if identity.startswith("bad") or previous != serving:
        message = f"{identity} cannot be loaded onto {serving}."
        loaded["loading_state"] = {"stage": "error", "target_snapshot_identity": identity, "message": message}
        return 409 if previous != serving else 400, {"error": {"message": message}}
    loaded.update(current_snapshot_identity=identity, loading_state={"stage": "ready"})
    return 200, {"status": "loaded", "identity": identity}


class Face(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == HOT_LOADED:
            self.answer(200, {"replicas": [loaded]})
        else:
            self.answer(200 if self.path == "/api/v1/healthz" else 404, {})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == HOT_LOADED:
            self.answer(*load(asked))
        elif config["deployment"] not in asked["model"]:
            self.answer(404, {"error": {"message": f"{asked['model']} is not {config['deployment']}"}})
        else:
            told = {"model": asked["model"], "snapshot_identity": loaded["current_snapshot_identity"]}
            self.answer(200, told | {"choices": [{"text": f"by {config['base_model']}"}]})

    def answer(self, status: int, said: dict[str, Any]) -> None:
        named = self.headers.get("fireworks-deployment") or config["deployment"]
        if self.headers.get("X-Api-Key") != os.environ["SLIPWAY_TRAINER_TOKEN"]:
            status, said = 401, {}
        elif named != config["deployment"]:
            status, said = 400, {"error": {"message": f"{named} is not {config['deployment']}"}}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes are not worth a line."""


signal.signal(signal.SIGTERM, lambda *_: end(143, "TERMINATED", "Terminated."))
print(f"serves {config['deployment']} with {config['engine']}, weights of {config['trainer_job']}", flush=True)
if config["snapshot"]:
    (directory / "loaded.json").write_text(json.dumps({"identity": config["snapshot"]}))
with behaviour.with_suffix(".starts").open("a") as starts:
    starts.write(f"{os.getpid()}\n")
    with suppress(PermissionError):
        os.fchmod(starts.fileno(), 0o666)  # the next one is another user
server = ThreadingHTTPServer((config["host"], config["port"]), Face)
threading.Thread(target=server.serve_forever, daemon=True).start()
(directory / "endpoint.json").write_text(json.dumps({"host": config["host"], "port": server.server_address[1]}))
while not behaviour.with_suffix(".exit").exists():
    time.sleep(0.02)
code = int(behaviour.with_suffix(".exit").read_text())
end(code, "INACTIVE" if code == 20 else "ERROR", "Told to end.")
