"""What a deployment runs, resolved from the version of its shape."""

from __future__ import annotations

from dataclasses import replace

from accounts.models import Account
from catalog.models import ShapeVersion
from connections.providers.samplers import SamplerSpec
from deployments.served import ServedWeights
from launches.models import Launch
from launches.serving import sampler_spec
from wire.names import deployment_name


def spec_of(
    version: ShapeVersion, account: Account, deployment_id: str, trainer: Launch | None, served: ServedWeights
) -> SamplerSpec:
    """As it is handed to a connection; with a trainer it loads that one's weights."""
    spec = sampler_spec(
        version.frozen_snapshot,
        version=version.name,
        base_model=served.base_model,
        deployment=deployment_name(account.account_id, deployment_id),
        trainer_job=trainer.known_as[1] if trainer else "",
    )
    return replace(spec, snapshot=served.snapshot, lora_rank=served.lora_rank)
