"""Runs a loop of Slipway's own: `python runner/loop.py CONFIG`, in the environment that prepare_loop.py made.

CONFIG is a JSON object: `script`, the loop; `url` of Slipway's API; `packages`, the trainer's environment, whose
packages come after those here; `folder`, where it may write. The API key comes in SLIPWAY_TRAINER_TOKEN.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any


def main(path: Path) -> None:
    """Run it as anybody runs it who has it as a file."""
    told: dict[str, Any] = json.loads(path.read_bytes())
    os.environ.update(FIREWORKS_API_KEY=os.environ.pop("SLIPWAY_TRAINER_TOKEN"), FIREWORKS_BASE_URL=told["url"])
    sys.path += map(str, Path(told["packages"]).glob("lib/python3*/site-packages"))
    os.chdir(told["folder"])
    script = Path("loop.py").resolve()
    script.write_text(told["script"], encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
