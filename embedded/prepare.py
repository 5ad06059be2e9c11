"""Brings database, accounts and catalog up to date in one process, because three would start Django three times.

Run as a process of its own. Writes one JSON object a line on standard output: `{"doing": text}` before a step,
`{"output": text}` after it, `{"error": text}` if it failed, with the traceback on standard error.
"""

from __future__ import annotations

import io
import json
import sys
import traceback

STEPS: list[tuple[str, list[str]]] = [
    ("Migrating the database", ["migrate", "--noinput", "--verbosity", "0"]),
    ("Setting up accounts", ["setup_accounts"]),
    ("Loading the catalog", ["load_catalog", "--if-empty"]),
]


def tell(**message: str) -> None:
    print(json.dumps(message), flush=True)


def main() -> int:
    try:
        import django
        from django.core.management import call_command

        django.setup()
        for doing, command in STEPS:
            tell(doing=doing)
            output = io.StringIO()
            call_command(*command, stdout=output)
            tell(output=output.getvalue().strip())
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        tell(error=" ".join(str(error).split()) or type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
