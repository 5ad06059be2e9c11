"""What samplers of a deployment shape are told. Pure."""

from __future__ import annotations

from catalog.fields.snapshots import Snapshot
from connections.providers.samplers import SamplerSpec

IDLE_SECONDS = 3600


def sampler_spec(
    snapshot: Snapshot, *, version: str, base_model: str, deployment: str = "", trainer_job: str = ""
) -> SamplerSpec:
    """What the version, under its resource name, says; for which deployment, and whose weights it loads."""
    return SamplerSpec(
        deployment=deployment,
        deployment_shape_version=version,
        base_model=base_model,
        engine=snapshot.engine,
        accelerator_type=snapshot.accelerator_type,
        accelerator_count=snapshot.accelerator_count,
        node_count=snapshot.node_count,
        max_context_length=snapshot.max_supported_context_length,
        base_model_weight_precision=snapshot.base_model_weight_precision,
        deployment_image_tag=snapshot.deployment_image_tag,
        trainer_job=trainer_job,
        inactivity_timeout_seconds=IDLE_SECONDS,
    )
