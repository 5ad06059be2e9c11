"""Ends the local trainers when ./run stops.

Run as a process of its own while the workers are still ending: it loads the application, waits for the end of its
standard input, which says that no worker runs any more, and only then gives the command.
"""

from __future__ import annotations

import sys

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    sys.stdin.read()
    call_command("stop_local_trainers")


if __name__ == "__main__":
    main()
