"""The kinds of connections, and how each is opened: the one place that maps a kind to its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from connections.providers.base import Provider
from connections.providers.catalogs import Following
from connections.providers.configs import ConfigField, config_fields, read_config
from connections.providers.control_plane.account import AccountThere
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.config import ControlPlaneConfig
from connections.providers.control_plane.jobs import Catalogs
from connections.providers.control_plane.provider import ControlPlaneProvider
from connections.providers.errors import Retryable
from connections.providers.local.config import LocalConfig
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.config import OVER_SSH, TUNNEL, SlurmConfig
from connections.providers.slurm.login import wrong_private_key
from connections.providers.slurm.provider import SlurmProvider
from connections.providers.trainer_files.base_models import directories_in, repositories_in
from wire.errors import Violation


@dataclass(frozen=True)
class Opening:
    """What a provider is opened with: its configuration, its secret, and which Slipway we are."""

    config: Any
    secret: str
    instance: str


@dataclass(frozen=True)
class Kind:
    """A kind of connection.

    `secret_label` says what its secret is, "" where it has none; `secret_help` when one is needed, "" for always;
    `secret_is_long` that it has lines. `opens_unsealed` says that it is opened without its secret where no key unseals
    that. `wrong_secret` answers why a secret is none, in a sentence. `asked` names the
    settings that a person is asked for on its page: what a test shows (`Unconfirmed`), or a `TypeQuestion`. `one_only`
    says that the set-up made the only one. `closed_because` answers why a setting shuts all connections of the kind
    off, "" where none does.
    """

    name: str
    label: str
    help: str
    config: type
    open: Callable[[Opening], Provider]
    secret_label: str = ""
    secret_help: str = ""
    secret_is_long: bool = False
    opens_unsealed: bool = False
    wrong_secret: Callable[[str], str] = lambda _: ""
    asked: tuple[str, ...] = ()
    one_only: bool = False
    closed_because: Callable[[], str] = str

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """What its configuration says."""
        return config_fields(self.config)

    @property
    def may_lack_secret(self) -> bool:
        """Whether a connection of it may be without the secret that others have."""
        return bool(self.secret_label and self.secret_help)

    def read(self, stored: Mapping[str, Any]) -> tuple[Any, tuple[Violation, ...]]:
        """The configuration of a row, where set environment variables win; and what is wrong with it."""
        return read_config(self.config, dict(stored) | self.locked)

    @property
    def locked(self) -> dict[str, str]:
        """By field, what an environment variable says, which no form can change."""
        said: Mapping[str, str] = settings.SLIPWAY_SET_VARIABLES
        return {field.name: said[field.variable] for field in self.fields if field.variable in said}


def local_root() -> Path:
    """Where all files of what runs on this machine lie, and trainer-host's socket."""
    return Path(settings.SLIPWAY_HOME / "local")


def _open_local(opening: Opening) -> Provider:
    config: LocalConfig = opening.config
    return LocalProvider(
        root=local_root(),
        slots=config.slots,
        sampler_slots=config.samplers,
        gpus=config.gpus,
        bind=config.bind,
        host=config.host,
        models=settings.SLIPWAY_HOME / "models",
        mapped=directories_in(config.models),
        hub={model: str(address) for model, address in repositories_in(config.models).items()},
        hub_token=opening.secret,
        weights=settings.SLIPWAY_HOME / "weights",
        datasets=_datasets(),
        trainer_package=settings.BASE_DIR / "trainer",
        environment=Path(config.environment or settings.SLIPWAY_HOME / "trainer-env"),
        users=settings.SLIPWAY_TRAINER_USERS,
        limits=Limits(
            memory_bytes=_bytes(settings.SLIPWAY_TRAINER_MEMORY_GB),
            disk_bytes=_bytes(settings.SLIPWAY_TRAINER_DISK_GB),
            files=settings.SLIPWAY_TRAINER_FILES,
            log_bytes=settings.SLIPWAY_TRAINER_LOG_MB * 1_000_000,
        ),
        least_free_bytes=settings.SLIPWAY_LEAST_FREE_MB * 1_000_000,
        run_slots=settings.SLIPWAY_RECIPES,
        run_limits=Limits(
            memory_bytes=_bytes(settings.SLIPWAY_RECIPE_MEMORY_GB),
            disk_bytes=_bytes(settings.SLIPWAY_TRAINER_DISK_GB),
            files=settings.SLIPWAY_TRAINER_FILES,
            log_bytes=settings.SLIPWAY_TRAINER_LOG_MB * 1_000_000,
        ),
    )


def _datasets() -> Path:
    """Where files of datasets lie that were checked; the room of datasets, which stands above, says so."""
    return Path(settings.SLIPWAY_HOME / "datasets" / "files")


def _local_is_off() -> str:
    return "" if settings.SLIPWAY_LOCAL_PROVIDER else "SLIPWAY_LOCAL_PROVIDER is off."


def _open_control_plane(opening: Opening) -> Provider:
    config: ControlPlaneConfig = opening.config
    client = ControlPlaneClient(config.url, opening.secret, settings.SLIPWAY_CONNECTION_NETWORKS)
    there = AccountThere(client, opening.instance, config.account)
    return ControlPlaneProvider(there, Catalogs(config.accounts_there), Following(config.following), config.published)


def _open_slurm(opening: Opening) -> Provider:
    config: SlurmConfig = opening.config
    package, weights = settings.BASE_DIR / "trainer", settings.SLIPWAY_HOME / "weights"
    open_there = partial(
        SlurmProvider,
        config=config,
        instance=opening.instance,
        trainer_package=package,
        weights=weights,
        datasets=_datasets(),
    )
    login = config.login_node
    if login is None:
        if config.files == OVER_SSH or config.way == TUNNEL:
            raise Retryable("The connection goes through a login node, and names none: put it in, under Edit.")
        return open_there(SlurmClient(config.conf, programs=config.programs))
    if not opening.secret:
        raise Retryable(f"The private key for {login} is not set: put it in, under Edit.")
    from connections.providers.slurm.sftp_paths import sftp_paths  # noqa: PLC0415  # as login.py says
    from connections.providers.slurm.ssh import LoginNode  # noqa: PLC0415

    node = LoginNode(login, opening.secret)
    client = SlurmClient(config.conf, shell=node, programs=config.programs)
    place = sftp_paths(node, config.root(opening.instance)) if config.files == OVER_SSH else Path
    return open_there(client, place=place, dial=node.dial if config.way == TUNNEL else None)


def _bytes(gigabytes: int | None) -> int | None:
    return None if gigabytes is None else gigabytes * 1_000_000_000


LOCAL = "local"
CONTROL_PLANE = "control_plane"
SLURM = "slurm"
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name=LOCAL,
            label="This machine",
            help="Trainers run as processes of the machine that trainer-host runs on.",
            config=LocalConfig,
            open=_open_local,
            secret_label="Hub token",  # noqa: S106  (what it is called)
            secret_help="Where base models are downloaded: of an account that may read them; public ones need none.",  # noqa: S106
            opens_unsealed=True,
            one_only=True,
            closed_because=_local_is_off,
        ),
        Kind(
            name=CONTROL_PLANE,
            label="Another control plane",
            help="Trainers run where another control plane of the public API, or another Slipway, has them run.",
            config=ControlPlaneConfig,
            open=_open_control_plane,
            secret_label="API key",  # noqa: S106  (what it is called)
        ),
        Kind(
            name=SLURM,
            label="Slurm cluster",
            help="Trainers run as jobs of a Slurm cluster that is already there.",
            config=SlurmConfig,
            open=_open_slurm,
            secret_label="Private key",  # noqa: S106  (what it is called)
            secret_help="For a login node: of ssh, without a passphrase (ssh-keygen -t ed25519 -N '' -f slipway).",  # noqa: S106
            secret_is_long=True,
            wrong_secret=wrong_private_key,
            asked=("host_key", "unnamed_type"),
        ),
    )
}
