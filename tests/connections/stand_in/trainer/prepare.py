# ruff: noqa: T201
"""Makes an "environment" that is the Python which runs this."""

import json
import os
import signal
import sys
import time
from pathlib import Path

told = Path("behaviour/prepare.json")
wanted = json.loads(told.read_text()) if told.exists() else {}
environment = Path(sys.argv[1])
terms: list[int] = []
if wanted.get("outlast_term"):
    signal.signal(signal.SIGTERM, lambda number, _frame: terms.append(number))
print("Creating environment", flush=True)
(environment / "bin").mkdir(parents=True, exist_ok=True)
(environment / "prepare.environ.json").write_text(json.dumps(dict(os.environ)))
if "fail" in wanted:
    print(wanted["fail"], file=sys.stderr)
    sys.exit(1)
while wanted.get("hang"):
    time.sleep(1)
while wanted.get("outlast_term") and not terms:
    time.sleep(0.02)
part = environment / "bin" / f".python.{os.getpid()}"
part.symlink_to(sys.executable)
part.replace(environment / "bin" / "python")
print("Environment ready", flush=True)
