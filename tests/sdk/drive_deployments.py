# ruff: noqa: T201
"""Drive a deployment with the official SDK, as its recipes do; prints what came back as JSON. BASE_MODEL SHAPE"""

from __future__ import annotations

import json
import os
import sys

from fireworks.training.sdk.deployment import DeploymentConfig, DeploymentManager

model, shape = sys.argv[1:]
manager = DeploymentManager(api_key=os.environ["SLIPWAY_API_KEY"], base_url=os.environ["SLIPWAY_URL"])
config = DeploymentConfig(deployment_id="dep", base_model=model, deployment_shape=shape, max_replica_count=1)
said: dict[str, object] = {"none": manager.get("dep") is None}
made = manager.create_or_get(config)
said["made"] = [made.name, made.state, made.deployment_shape_version, made.base_model, made.inference_model]
said["ready"] = manager.wait_for_ready("dep", timeout_s=60, poll_interval_s=0.1).state
said["taken"] = manager.create_or_get(config).name
manager.scale_to_zero("dep")
said["idle"] = manager.wait_for_ready("dep", timeout_s=60, poll_interval_s=0.1).state
said["changed"] = manager.update("dep", {"maxReplicaCount": 2}, "max_replica_count").state
said["back"] = manager.wait_for_ready("dep", timeout_s=60, poll_interval_s=0.1).state
manager.delete("dep")
manager._wait_for_deletion("dep", timeout_s=60, poll_interval_s=0.1)
said["left"] = manager.get("dep") is not None
print(json.dumps(said))
