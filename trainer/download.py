"""`python -m trainer.download CONFIG.json`: have a base model from a hub where trainers look for it.

CONFIG.json holds endpoint, repository (ORG/NAME), revision, directory (where the model is to be), records (where
exit-reason.json tells what went wrong) and keep_free (bytes of the disk). The token, where one is needed, is
what its standard input says. Each line of the output says how far it is. Exit codes: 0; 1 where the model could not be
had; 2 for a bad CONFIG.json.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from trainer.durable import write_json
from trainer.errors import ConfigError
from trainer.outcome import BAD_CONFIG
from trainer.program_config import read_program_config

_TEXTS = ("endpoint", "repository", "revision", "directory", "records")


def main(arguments: list[str]) -> int:
    token = sys.stdin.read().strip()
    try:
        config = read_program_config("download", arguments, _check)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return BAD_CONFIG
    directory, records = Path(config["directory"]), Path(config["records"])
    # Read where the library is imported: nothing of a person's own counts.
    os.environ.update(
        HF_HOME=str(directory.with_name(f".part-{directory.name}") / ".home"),
        HF_HUB_DISABLE_IMPLICIT_TOKEN="1",  # noqa: S106
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_UPDATE_CHECK="1",
    )
    from trainer.hub.bring import bring  # noqa: PLC0415
    from trainer.hub.listing import HubError, Repository  # noqa: PLC0415

    repository = Repository(config["endpoint"], config["repository"], config["revision"], token)
    try:
        bring(repository, directory, keep_free=config["keep_free"], say=_say)
    except (HubError, OSError) as error:
        print(error, file=sys.stderr)
        write_json(records / "exit-reason.json", {"reason": "ERROR", "message": str(error)})
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _check(config: dict[str, Any]) -> None:
    if not all(isinstance(config[name], str) and config[name] for name in _TEXTS):
        raise ConfigError(f"{', '.join(_TEXTS)} of CONFIG.json have to be texts that are not empty.")
    if type(config["keep_free"]) is not int:
        raise ConfigError("keep_free of CONFIG.json has to be a whole number.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
