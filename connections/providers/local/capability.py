"""Which specs can run on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connections.providers.local.gpus import Gpus
from connections.providers.local.hub import HubModels
from connections.providers.local.users import closed_model
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files.base_models import is_model
from connections.providers.trainer_files.demo_models import DEMO_MODELS
from connections.providers.trainer_files.recipes import reasons_of_trainer
from wire.counts import quantity
from wire.names import parse_model_name

ACCOUNT = "local"
ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class ModelPlaces:
    """Where base models lie: one's own in a folder, by id; others, by name, where the connection says.

    `made` has those that accounts made, by account and id; `hub` those that are downloaded once somebody needs them.
    """

    folder: Path
    made: Path
    mapped: Mapping[str, Path] = field(default_factory=dict)
    hub: HubModels = field(default_factory=lambda: HubModels(Path()))


def model_directory(places: ModelPlaces, base_model: str) -> Path | None:
    """The Hugging Face directory of a base model; None for a demo model.

    Errors: `FileNotFoundError` with a sentence that says what to do where the model is not here.
    """
    path = model_path(places, base_model)
    if path is None and base_model in DEMO_MODELS:
        return None
    if path and is_model(path):
        return path
    if address := places.hub.addresses.get(base_model):
        raise FileNotFoundError(
            f"The base model {base_model} is not on this machine yet: its first launch downloads it from {address}."
        )
    if base_model in places.mapped:
        raise FileNotFoundError(
            f"The base model {base_model} is not where the connection says: a superuser has to put its Hugging Face "
            "directory there, with its config.json, or change the connection."
        )
    if path and (path / ADAPTER_CONFIG).is_file():
        raise FileNotFoundError(
            f"{base_model} is an adapter and no base model: launch its base model, and load it there (load_adapter)."
        )
    remedy = f"it keeps base models of account {ACCOUNT}, such as {DEMO_MODELS[0]}, and models that were made here"
    if path and path.parent == places.folder:
        remedy = f"put its Hugging Face directory at models/{path.name} in SLIPWAY_HOME"
    raise FileNotFoundError(f"The base model {base_model} is not on this machine: {remedy}.")


def coming_directory(places: ModelPlaces, base_model: str) -> Path | None:
    """The same of a model that may still have to be downloaded. Errors: as `model_directory`."""
    return places.hub.folders.get(base_model) or model_directory(places, base_model)


def model_path(places: ModelPlaces, base_model: str) -> Path | None:
    """Where the base model's directory lies or would lie; None for a demo model, and where there can be none."""
    if base_model in places.hub.addresses:
        return places.hub.folders[base_model]
    if base_model in places.mapped:
        return places.mapped[base_model]
    parsed = parse_model_name(base_model)
    if parsed is None or base_model in DEMO_MODELS:
        return None
    account, model = parsed
    made = places.made / account / model
    return made if account != ACCOUNT or made.is_dir() else places.folder / model


def mapped_models(places: ModelPlaces, *, others: bool) -> list[tuple[str, str]]:
    """By model that the connection names, whether it is there; `others` says that trainers are other users than we."""
    mapped = [(model, _standing(directory, others=others)) for model, directory in places.mapped.items()]
    return [*mapped, *((model, _of_hub(places.hub, model)) for model in places.hub.addresses)]


def _of_hub(hub: HubModels, model: str) -> str:
    address, directory = hub.addresses[model], hub.folders[model]
    if is_model(directory):
        return f"from {address}, at {directory}"
    return f"the first launch of it downloads it from {address}{'' if hub.token else ', without a token'}"


def _standing(directory: Path, *, others: bool) -> str:
    if not is_model(directory):
        return f"has no config.json at {directory}"
    closed = closed_model(directory) if others else None
    return f"cannot be read by trainers: open {closed} to them (chmod o+rX)" if closed else f"at {directory}"


def _is_adapter(places: ModelPlaces, name: str) -> bool:
    account, model = parse_model_name(name) or ("", "")
    return (places.made / account / model / ADAPTER_CONFIG).is_file()


def linked_folders(places: ModelPlaces, base_model: str) -> set[Path]:
    """Where the files lie of a base model that no account made: its directory, and caches into which it has links."""
    directory = model_path(places, base_model)
    if directory is None or places.made in directory.parents or not directory.is_dir():
        return set()
    return {directory, *(path.resolve().parent for path in directory.iterdir())}


def reasons_against(
    spec: TrainerSpec,
    places: ModelPlaces,
    recipes: Sequence[Recipe],
    *,
    slots: int,
    gpus: Gpus,
    others: Callable[[], bool],
) -> Iterator[str]:
    """Why the spec cannot run here, one sentence a reason; `others` says whether trainers are other users than we.

    It is asked last, and only where it matters: to find that out takes longer than all the rest.
    """
    without_gpus = tuple(gpus.reasons_against(spec))
    yield from without_gpus
    if spec.trainer_nodes > slots and not without_gpus:
        yield (
            f"It asks for {quantity(spec.trainer_replica_count, 'trainer replica')} of "
            f"{quantity(spec.node_count, 'node')}, each of which takes a slot; this machine has "
            f"{quantity(slots, 'slot')}: ask for fewer replicas, or let more run there (SLIPWAY_LOCAL_SLOTS)."
        )
    yield from reasons_of_trainer(spec, "this machine", recipes)
    if spec.adapter and not _is_adapter(places, spec.adapter):
        yield f"The adapter {spec.adapter} is not on this machine (any more): choose another one, or none."
    try:
        directory = coming_directory(places, spec.base_model)
        if (
            directory
            and is_model(directory)
            and places.made not in directory.parents
            and others()
            and (closed := closed_model(directory))
        ):
            words = "cannot be read by trainers, which are other users than Slipway itself here"
            yield f"The base model {spec.base_model} {words}: open {closed} to them (chmod o+rX)."
    except FileNotFoundError as error:
        yield str(error)
