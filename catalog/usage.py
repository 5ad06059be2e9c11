"""Code that uses a shape, ready to copy. Pure.

Signatures as of fireworks-ai 1.2.30 (`fireworks.training.sdk`) and the public cookbook's `training.utils`.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.enums import TrainerMode
from catalog.launch_fields import LaunchField
from catalog.snapshots import Snapshot

LORA_RANK = 16


@dataclass(frozen=True)
class Snippet:
    """One way to use the shape: `note` says where it goes or what it addresses."""

    key: str
    title: str
    note: str
    code: str


def snippets(snapshot: Snapshot, fields: list[LaunchField], *, pinned: str, address: str | None) -> list[Snippet]:
    """Cookbook, SDK and resource name. `address` is the control plane's, None for the SDK's own default.

    `pinned` is the name of the version to use, "" for the shape's latest one.
    """
    name = pinned or snapshot.name
    resolves = "Pins the version that this page shows." if pinned else "Resolves to the latest validated version."
    return [
        Snippet(
            "cookbook",
            "Cookbook recipe",
            "The trainer of a recipe's Config.",
            f'from training.utils import TrainerConfig\n\ntrainer = TrainerConfig(training_shape_id="{name}")',
        ),
        Snippet("sdk", "Python SDK", _addressed(address), _service_client(snapshot, fields, name, address)),
        Snippet("name", "Resource name", resolves, name),
    ]


def _addressed(address: str | None) -> str:
    if address is None:
        return "Calls FIREWORKS_BASE_URL or, by default, the public control plane, with the key in FIREWORKS_API_KEY."
    return f"Calls this Slipway at {address}, with the key in FIREWORKS_API_KEY, as the page Connect says."


def _service_client(snapshot: Snapshot, fields: list[LaunchField], name: str, address: str | None) -> str:
    rank = next((field.default for field in fields if field.name == "lora_rank"), LORA_RANK)
    arguments = [f'base_model="{snapshot.base_model}"']
    if snapshot.trainer_mode == TrainerMode.FORWARD_ONLY:
        arguments += ['training_shape_id="..."  # the policy that this is the reference of']
        arguments += [f'reference_training_shape_id="{name}"']
    else:
        arguments += [f'training_shape_id="{name}"']
        arguments += [f"lora_rank={rank if snapshot.trainer_mode == TrainerMode.LORA_TRAINER else 0}"]
    if address:
        arguments += [f'base_url="{address}"']
    lines = [_with_comma(argument) for argument in arguments]
    return "\n".join(
        [
            "from fireworks.training.sdk import FiretitanServiceClient",
            "",
            "service = FiretitanServiceClient.from_firetitan_config(",
            *lines,
            ")",
        ]
    )


def _with_comma(argument: str) -> str:
    code, mark, comment = argument.partition("  #")
    return f"    {code},{mark}{comment}"
