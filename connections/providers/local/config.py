"""What a connection of the kind `local` says: its row in the database, where no environment variable says more."""

from __future__ import annotations

from dataclasses import dataclass

from connections.providers.configs import positive, setting
from connections.providers.data_directories import data_directories_setting
from connections.providers.local.gpus import EXAMPLE, read_gpus
from connections.providers.trainer_files.base_models import places_setting


@dataclass(frozen=True)
class LocalConfig:
    """How trainers run as processes of this machine; empty where Slipway's own default holds."""

    slots: int = setting(
        "Slots",
        "How many trainers run at a time; the others wait in PENDING. One of several replicas takes a slot for each.",
        default=2,
        read=positive,
        variable="SLIPWAY_LOCAL_SLOTS",
    )
    samplers: int = setting(
        "Sampler slots",
        "How many samplers run at a time; the others wait.",
        default=1,
        read=positive,
        variable="SLIPWAY_LOCAL_SAMPLERS",
    )
    gpus: str = setting(
        "GPUs",
        "The GPUs that trainers of this machine share: their type, as shapes name it, and how many there are. Empty: "
        "shapes with GPUs do not run here.",
        read=read_gpus,
        placeholder=EXAMPLE,
    )
    bind: str = setting(
        "Trainers listen on", "The address that trainers bind.", default="127.0.0.1", variable="SLIPWAY_TRAINER_BIND"
    )
    host: str = setting(
        "Trainers are reached at",
        "The host under which web and worker reach trainers.",
        default="127.0.0.1",
        variable="SLIPWAY_TRAINER_HOST",
    )
    environment: str = setting(
        "Trainer's environment",
        "The folder of the trainer's Python environment; trainer-env in SLIPWAY_HOME where empty.",
        variable="SLIPWAY_TRAINER_ENV",
    )
    models: str = places_setting("Where the weights of base models come from that are not in models/ of SLIPWAY_HOME")
    data_directories: str = data_directories_setting()
