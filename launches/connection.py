"""The code that connects to a running trainer with the official SDK. Pure."""

from __future__ import annotations

import json

from launches.spec import TrainerSpec

TOKEN_VARIABLE = "SLIPWAY_TRAINER_TOKEN"  # noqa: S105  (the name of a variable)
INSTALL = 'pip install "fireworks-ai[training-sdk]"'


def connection_code(spec: TrainerSpec, endpoint: str) -> str:
    """Python that opens a training client of the trainer at `endpoint`; the token comes from the environment."""
    return (
        "import os\n\n"
        "from fireworks.training.sdk import FiretitanServiceClient\n\n"
        "service = FiretitanServiceClient(\n"
        f"    base_url={json.dumps(endpoint)},\n"
        f'    api_key=os.environ["{TOKEN_VARIABLE}"],\n'
        ")\n"
        "client = service.create_training_client(\n"
        f"    base_model={json.dumps(spec.base_model)},\n"
        f"    lora_rank={spec.lora_rank},\n"
        ")\n"
    )
