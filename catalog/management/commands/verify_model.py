"""`manage verify_model DIRECTORY`: whether it is what was promoted, bit by bit, without asking the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.signatures import MOST_TOLD, differences, own_public_key
from wire.counts import quantity
from wire.manifests import LARGEST_MANIFEST, ModelManifest, Unverified, read_manifest


class Command(BaseCommand):
    """Exit code 0 where every file is as it was signed, and none is missing or more."""

    help = "Verify a model's folder by its signed manifest."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="the folder with the model's files")
        parser.add_argument("--manifest", type=Path, metavar="FILE", help="DIRECTORY.manifest.json where left out")
        parser.add_argument("--key", type=Path, metavar="FILE", help="a public key; this Slipway's own where left out")

    def handle(self, *args: Any, directory: Path, manifest: Path | None, key: Path | None, **options: Any) -> None:
        folder = directory.resolve()
        beside = manifest or folder.with_name(f"{folder.name}.manifest.json")
        try:
            if not folder.is_dir():
                raise CommandError(f"{directory} is no folder.")
            signed = _read(beside, key.read_text() if key else own_public_key())
            found = differences(folder, signed)
        except OSError as error:
            raise CommandError(f"{error.filename}: cannot be read: {error.strerror or error}") from None
        except Unverified as refusal:
            raise CommandError(f"{beside}: {refusal}") from None
        except ValueError:
            raise CommandError(f"{key}: is no public key of ECDSA on P-256, as PEM.") from None
        if found:
            more = f" And {len(found) - MOST_TOLD:,} more." if len(found) > MOST_TOLD else ""
            raise CommandError(f"It is not {signed.name}: {' '.join(found[:MOST_TOLD])}{more}")
        self.stdout.write(f"{signed.name}: {quantity(len(signed.digests), 'file')} as signed.")
        for what, value in sorted(signed.provenance.items()):
            self.stdout.write(f"  {what}: {value}")


def _read(path: Path, public: str) -> ModelManifest:
    with path.open("rb") as file:
        content = file.read(LARGEST_MANIFEST + 1)
    if len(content) > LARGEST_MANIFEST:
        raise Unverified("It is too large for a manifest.")
    return read_manifest(content, public=public)
