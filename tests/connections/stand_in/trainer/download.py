# ruff: noqa: T201
"""`python -m trainer.download CONFIG.json`: "downloads" as it is told."""

import json
import os
import sys
import time
from pathlib import Path

config = json.loads(Path(sys.argv[1]).read_text())
told = Path("behaviour/download.json")
wanted = json.loads(told.read_text()) if told.exists() else {}
print("Downloading acme/tiny: 1.0 of 4.0 MB", flush=True)
(Path("behaviour") / "download.environ.json").write_text(json.dumps({**os.environ, "stdin": sys.stdin.read()}))
while wanted.get("hang"):
    time.sleep(1)
if "fail" in wanted:
    reason = {"reason": "ERROR", "message": wanted["fail"]}
    (Path(config["records"]) / "exit-reason.json").write_text(json.dumps(reason))
    sys.exit(1)
Path(config["directory"]).mkdir(parents=True)
(Path(config["directory"]) / "config.json").write_text("{}")
