# ruff: noqa: T201
"""`python -m trainer CONFIG.json`, see the package."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

config = json.loads(Path(sys.argv[1]).read_text())
directory = Path(config["directory"])
behaviour = Path("behaviour")
job = config["job"]
told = behaviour / f"{job}.json"
wanted: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}


def write(path: Path, value: object) -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(value))
    part.replace(path)


def note(name: str, pid: int) -> None:
    with (behaviour / f"{job}.{name}").open("a") as file:
        file.write(f"{pid}\n")


def end(code: int, reason: str, message: str) -> None:
    with suppress(OSError):
        write(directory / "exit-reason.json", {"reason": reason, "message": message})
    sys.stdout.flush()
    os._exit(code)


def on_term(_number: int, _frame: FrameType | None) -> None:
    if not wanted.get("ignore_term"):
        end(143, "TERMINATED", "Terminated.")


def spy(path: str) -> str:
    """Which of reading, listing and writing the path allows: letters of "rlw"."""
    allowed = ""
    with suppress(OSError):
        Path(path).read_bytes()
        allowed += "r"
    with suppress(OSError):
        list(Path(path).iterdir())
        allowed += "l"
    with suppress(OSError):
        if Path(path).is_dir():
            (Path(path) / "spied").touch()
        else:
            Path(path).open("r+b").close()
        allowed += "w"
    return allowed


MODEL = {"config.json": b"{}", "model.safetensors": b"\2\0\0\0\0\0\0\0{}"}
"""What a model needs at the least."""


def save(folder: Path, name: str, step: int, *, whole: bool, files: dict[str, bytes] | None = None) -> None:
    """A checkpoint with one file of 10 bytes, or with those files; one that is not whole has no file yet."""
    files = {"weights.safetensors": b"0123456789"} if files is None else files
    checkpoint = folder / (name if whole else f".part-{name}")
    checkpoint.mkdir(parents=True, exist_ok=True)
    about = {"name": name, "step": step, "created_at": "2026-01-01T00:00:00Z", "size_bytes": 0, "files": {}}
    if whole:
        noted = {}
        for path, content in files.items():
            (checkpoint / path).write_bytes(content)
            noted[path] = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        about |= {"size_bytes": sum(map(len, files.values())), "files": noted}
    write(checkpoint / "checkpoint.json", about)


class Face(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers.get("X-Api-Key") == os.environ["SLIPWAY_TRAINER_TOKEN"]
        ready = not (behaviour / f"{job}.loading").exists()
        self.send_response(401 if not allowed else 200 if ready and self.path == "/api/v1/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Probes are not worth a line."""


signal.signal(signal.SIGTERM, on_term)
if os.environ.get("SLURM_PROCID", "0") != "0":  # of the other nodes, which only the first one tells of
    note("gang", os.getpid())
    while True:
        time.sleep(600)
note("starts", os.getpid())
(directory / "environ.json").write_text(json.dumps(dict(os.environ)))
if wanted.get("child"):
    note("child", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
if "spy" in wanted:
    (directory / "spied.json").write_text(json.dumps({path: spy(path) for path in wanted["spy"]}))
if wanted.get("stray"):
    stray = [sys.executable, "-c", "import time; time.sleep(600)"]
    note("child", subprocess.Popen(stray, start_new_session=True, env={}).pid)
print(wanted.get("log", "hello"), flush=True)
for kind, folder in (("checkpoints", "checkpoints"), ("sampler", "sampler"), ("writing", "checkpoints")):
    for name, step in wanted.get(kind, {}).items():
        save(Path(config["checkpoints"]).parent / folder, name, step, whole=kind != "writing")
for name, step in wanted.get("models", {}).items():
    save(Path(config["checkpoints"]).parent / "sampler", name, step, whole=True, files=MODEL)
held = b"m" * (wanted.get("memory_mb", 0) * 1_000_000)
if "files_mb" in wanted:
    (Path(config["checkpoints"]) / "large").write_bytes(b"f" * wanted["files_mb"] * 1_000_000)
for number in range(wanted.get("files", 0)):
    (directory / f"file-{number}").touch()
with (directory / "metrics.jsonl").open("a") as file:
    for number in range(1, wanted.get("metrics", 0) + 1):
        record = {"number": number, "step": number, "loss_per_token": 1 / number, "time": "2026-01-01T00:00:00Z"}
        record["longest_context"] = config["max_context_length"]
        file.write(json.dumps(record) + "\n")
server = ThreadingHTTPServer((config["host"], config["port"]), Face)
threading.Thread(target=server.serve_forever, daemon=True).start()
write(directory / "endpoint.json", {"host": config["host"], "port": server.server_address[1], "pid": os.getpid()})
exit_file = behaviour / f"{job}.exit"
while not exit_file.exists():
    time.sleep(0.02)
code = int(exit_file.read_text())
end(code, "COMPLETED" if code == 0 else "ERROR", "Recipe finished." if code == 0 else "Told to end.")
