"""A process that goes over a file of rows once, by the check or by a bare loop, and tells what that took of it."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from datasets.checking.check import check_rows

BARE, CHECKED = "bare", "checked"


def main(what: str, file: Path) -> None:
    """Print rows, seconds of CPU time, and the most megabytes of memory."""
    began = time.process_time()
    with file.open("rb") as rows:
        counted = check_rows(rows).rows if what == CHECKED else sum(1 for line in rows if json.loads(line))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": counted, "seconds": time.process_time() - began, "megabytes": most}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
