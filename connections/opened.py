"""Providers of connections, opened from their rows and kept for as long as the rows stay as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, lru_cache

from django.conf import settings

from connections.kinds import KINDS, Opening, local_root
from connections.models import Connection, Destination, Instance
from connections.providers.base import Provider
from connections.providers.capabilities import Credential
from connections.providers.errors import Retryable
from connections.providers.local.asking import HostClient, HostState
from connections.providers.official import Checkout, official_recipes
from connections.providers.optional import CountsTokens
from connections.providers.recipes import Recipe
from connections.providers.recipes_beside import Beside, recipes_beside
from connections.providers.runs import RunProvider, RunsRecipes
from connections.providers.samplers import RunsSamplers, SamplerProvider
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files.recipes import declared
from connections.queries import instance_id, living_connections
from connections.sealing import Unsealable, unseal
from connections.stores import Store, StoreAddress, StoreRefusal

OPENED_AT_MOST = 64
PROBE_SECONDS = 1.0
"""For trainer-host, where a probe asks, which answers within two."""
DOUBTED = (
    "This Slipway was found in another place than before. It may be a copy whose original still drives what runs "
    "there, so nothing is started or ended until a superuser says, on the page Connections, which of the two it is."
)


def open_provider(connection: Connection) -> Provider:
    """What speaks to the connection. Errors: `Retryable` where it cannot be used as it stands, in words."""
    kind = KINDS.get(connection.kind)
    if kind is not None and (why := kind.closed_because()):
        raise Retryable(why)
    return _open(*_key(connection), _known_instance_id())


def provider_to_act(connection: Connection) -> Provider:
    """The same, to start or end something there, which a Slipway that may be a copy of another one does not.

    Errors: `Retryable`.
    """
    provider = open_provider(connection)
    if provider.capabilities.runs_here:
        return provider  # what runs on this machine is this machine's
    instance = Instance.objects.get()
    if instance.doubted_at is not None:
        raise Retryable(DOUBTED)
    return _open(*_key(connection), instance.pk)


def samplers_at(connection: Connection, *, to_act: bool = False) -> SamplerProvider | None:
    """What runs samplers there; None where nothing does. `to_act` is said to start or end one. Errors: `Retryable`."""
    provider = provider_to_act(connection) if to_act else open_provider(connection)
    if isinstance(provider, RunsSamplers) and provider.capabilities.runs_samplers:
        return provider.samplers
    return None


def place_for_runs() -> RunProvider | None:
    """What runs recipes beside trainers; None where no connection has a machine for that.

    Errors: `Retryable` where it might be one that cannot be used as it stands, in words.
    """
    unusable = None
    for connection in living_connections():
        try:
            provider = open_provider(connection)
        except Retryable as error:
            unusable = error
            continue
        if isinstance(provider, RunsRecipes):
            return provider.runs
    if unusable is not None:
        raise unusable
    return None


def official_at(connections: Sequence[Connection], spec: TrainerSpec) -> tuple[Recipe, ...]:
    """The recipes of checkouts for the spec, where this machine runs such and has the tokenizer of its base model.

    They drive a trainer wherever it is, so these are the same for each of the connections, which come from
    `usable_connections`.
    """
    named = next((tuple(Checkout(**told) for told in getattr(each, "checkouts", ())) for each in connections), ())
    if not named or not any(_may_run_recipes(each, spec) for each in connections):
        return ()
    return official_recipes(spec, named, declared(settings.BASE_DIR / "trainer"))


def ours_beside(connections: Sequence[Connection], spec: TrainerSpec) -> Beside:
    """Our own recipes for the spec where the trainer is not ours, on the same terms as those of checkouts."""
    if any(_may_run_recipes(each, spec) for each in connections):
        return recipes_beside(spec, declared(settings.BASE_DIR / "trainer"))
    return Beside(words=f"Slipway's own recipes would drive it from this machine, {_what_lacks(connections, spec)}.")


def _what_lacks(connections: Sequence[Connection], spec: TrainerSpec) -> str:
    if any(_has_machine(each) for each in connections):
        return f"which has no tokenizer of {spec.base_model}"
    return "where no connection lets anything run"


def _has_machine(connection: Connection) -> bool:
    try:
        return isinstance(open_provider(connection), RunsRecipes)
    except Retryable:
        return False


def _may_run_recipes(connection: Connection, spec: TrainerSpec) -> bool:
    try:
        provider = open_provider(connection)
    except Retryable:
        return False
    return (
        isinstance(provider, RunsRecipes)
        and isinstance(provider, CountsTokens)
        and provider.has_tokenizer(spec.base_model)
    )


def open_destination(row: Destination) -> Store:
    """Where weights are pushed to. Errors: `StoreRefusal` where its secret cannot be opened."""
    try:
        secret = unseal(row.secret)
    except Unsealable as error:
        raise StoreRefusal(str(error)) from None
    return Store(StoreAddress(row.address, row.endpoint, row.region, row.key_id, secret))


def trainer_host_state() -> HostState | None:
    """What trainer-host says of itself and of what runs on this machine; None where it does not answer."""
    try:
        return HostClient(local_root()).state(PROBE_SECONDS)
    except (Retryable, OSError):
        return None


def runs_here(connection: Connection) -> bool:
    """Whether it says that it needs nothing but this machine."""
    try:
        return open_provider(connection).capabilities.runs_here
    except Retryable:
        return False


def runs_elsewhere(connection: Connection) -> bool:
    """Whether what runs there is asked with its secret, as far as it can be opened."""
    try:
        return open_provider(connection).capabilities.credential is Credential.CONNECTION_SECRET
    except Retryable:
        return False


def merges(connection: Connection) -> bool:
    """Whether it folds adapters into their base models."""
    try:
        return open_provider(connection).capabilities.merges
    except Retryable:
        return False


def data_directories(connection: Connection) -> tuple[str, ...]:
    """Below which files may be taken as datasets; none where its configuration cannot be read."""
    kind = KINDS.get(connection.kind)
    if kind is None:
        return ()
    read, _ = kind.read(connection.config)
    return tuple(getattr(read, "data_directories", "").splitlines())


def token_counter(connection: Connection) -> CountsTokens | None:
    """What counts tokens there; None where nothing does, or it cannot be opened."""
    try:
        provider = open_provider(connection)
    except Retryable:
        return None
    return provider if isinstance(provider, CountsTokens) else None


def tells_logs(connection: Connection) -> bool:
    """Whether logs of what runs there can be read, as far as it can be opened."""
    try:
        return open_provider(connection).capabilities.has_files
    except Retryable:
        return True


def _key(connection: Connection) -> tuple[str, str, str]:
    return connection.kind, json.dumps(connection.config, sort_keys=True), connection.secret


@cache
def _known_instance_id() -> str:
    """Asked for once a process: whoever acts looks again."""
    return instance_id()


@lru_cache(OPENED_AT_MOST)
def _open(kind_name: str, config: str, sealed: str, instance: str) -> Provider:
    kind = KINDS.get(kind_name)
    if kind is None:
        raise Retryable(f"This release knows no connections of the kind {kind_name!r}.")
    read, violations = kind.read(json.loads(config))
    if violations:
        raise Retryable(" ".join(violation.description for violation in violations))
    try:
        secret = unseal(sealed)
    except Unsealable as error:
        if not kind.opens_unsealed:
            raise Retryable(str(error)) from None
        secret = ""
    return kind.open(Opening(read, secret, instance))


def forget_opened() -> None:
    """Open everything anew: for tests that change settings."""
    _open.cache_clear()
    _known_instance_id.cache_clear()
