"""Programs of the pages, run as by somebody who pastes them: the environment first, then the program as a file."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

MOST_SECONDS = 600
"""The first call makes the environment, and the first launch the trainer's; each takes a minute or two."""
MAKING = ("python3 -m venv ", "pip install ")
"""How the commands begin that make the environment; the others are for the shell that they are pasted into."""
SDK_VARIABLES = ("FIREWORKS_BASE_URL", "FIREWORKS_API_KEY")


def code(html: str, key: str) -> str:
    """The text of the page's block of code with that id."""
    found = re.search(rf'<pre id="{key}"[^>]*>(.*?)</pre>', html, re.DOTALL)
    assert found, html
    return unescape(found[1])


@dataclass(frozen=True)
class Desk:
    """Somebody with an API key, in a folder that may be kept, because the environment that pages tell to make is in it.

    `variables` are set besides what the pages say. What a desk has pasted and seen work to make the environment it does
    not paste again; another desk in the folder does.
    """

    key: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def run(
        self, environment: str, program: str, *, by: str = "python", seconds: float = MOST_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Paste the commands of `environment` into a shell, with the key where it goes, and then run the program."""
        assert "FIREWORKS_API_KEY=''" in environment
        self.folder.mkdir(parents=True, exist_ok=True)
        commands = [line for line in environment.splitlines() if line not in self.made]
        pasted = "\n".join(commands).replace("FIREWORKS_API_KEY=''", f"FIREWORKS_API_KEY='{self.key}'")
        inherited = {name: value for name, value in os.environ.items() if name not in (*SDK_VARIABLES, "PYTHONPATH")}
        # One at a time: the environment and the program's file are of the folder, and tests run side by side.
        with (self.folder / "in-use").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            (self.folder / "program").write_text(program, encoding="utf-8")
            done = subprocess.run(
                ["sh", "-e"],
                input=f"{pasted}\n{by} program\n",
                cwd=self.folder,
                env={**inherited, **self.variables},
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        if done.returncode == 0:
            self.made.update(line for line in commands if line.startswith(MAKING))
        return done
