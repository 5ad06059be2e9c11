"""The code that connects to a running trainer with the official SDK. Pure."""

from __future__ import annotations

import json

from connections.providers.spec import TrainerSpec


def connection_code(spec: TrainerSpec, job: str) -> str:
    """Python that opens a training client of the job's trainer; address and key come from the environment."""
    return (
        "from fireworks.training.sdk import FiretitanServiceClient\n\n"
        "service = FiretitanServiceClient.from_firetitan_config(\n"
        f"    base_model={json.dumps(spec.base_model)},\n"
        f"    trainer_job_id={json.dumps(job)},\n"
        f"    lora_rank={spec.lora_rank},\n"
        "    create_deployment=False,  # nothing samples\n"
        ")\n"
        f"client = service.create_training_client(lora_rank={spec.lora_rank})\n"
    )
