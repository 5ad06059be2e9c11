"""`manage verify_catalog`: whether every stored version is what its digest says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.verify import verify_versions


class Command(BaseCommand):
    """Names every version that is wrong, and ends with exit code 1 where there is one."""

    help = "Recompute the sha256 of every shape version and compare it with the stored one."

    def handle(self, *args: Any, **options: Any) -> None:
        checked = bad = 0
        for version in verify_versions():
            checked += 1
            if version.wrong:
                bad += 1
                self.stdout.write(f"{version.name}: {version.wrong}.")
        if bad:
            raise CommandError(f"{checked} versions checked; {bad} are not what was published.")
        self.stdout.write(f"{checked} versions checked; all are what was published.")
