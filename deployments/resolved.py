"""What a deployment runs, resolved from the version of its shape."""

from __future__ import annotations

from accounts.models import Account
from catalog.models import ShapeVersion
from connections.providers.samplers import SamplerSpec
from deployments.served import ServedWeights
from launches.models import Launch
from wire.names import deployment_name

IDLE_SECONDS = 3600


def spec_of(
    version: ShapeVersion, account: Account, deployment_id: str, trainer: Launch | None, served: ServedWeights
) -> SamplerSpec:
    """As it is handed to a connection; with a trainer it loads that one's weights."""
    snapshot = version.frozen_snapshot
    return SamplerSpec(
        deployment=deployment_name(account.account_id, deployment_id),
        deployment_shape_version=version.name,
        base_model=served.base_model,
        engine=snapshot.engine,
        accelerator_type=snapshot.accelerator_type,
        accelerator_count=snapshot.accelerator_count,
        node_count=snapshot.node_count,
        max_context_length=snapshot.max_supported_context_length,
        base_model_weight_precision=snapshot.base_model_weight_precision,
        deployment_image_tag=snapshot.deployment_image_tag,
        trainer_job=trainer.known_as[1] if trainer else "",
        inactivity_timeout_seconds=IDLE_SECONDS,
        snapshot=served.snapshot,
        lora_rank=served.lora_rank,
    )
