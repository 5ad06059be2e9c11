"""The local provider with the real trainer: its environment, its sample recipe, its checkpoints."""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from django.conf import settings
from django.test import Client

from accounts.roles import Role
from catalog.enums import Engine, ShapeKind
from connections.providers.errors import Rejected
from connections.providers.local import processes
from connections.providers.local.provider import LocalProvider
from connections.providers.samplers import SamplerSubmission
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files.demo_models import DEMO_MODELS
from deployments.models import Deployment
from deployments.tokens import sampler_token
from tests.connections.local_rig import open_to_trainers
from tests.connections.rig import make_reference, make_submission, until, wait_for
from tests.connections.sampler_contract import make_spec
from tests.connections.trainer_hosts import end_trainer_host, start_trainer_host
from tests.deployments.makers import make_deployment
from tests.launches.gateway_parts import front_door, make_key
from tests.makers import make_account, make_member, make_model, make_shape, make_version, sign_in
from tests.sampler.test_sdk import SNAPSHOTS, drive, put_snapshot
from tests.sdk.environments import KEPT

S = AttemptState
DEMO = DEMO_MODELS[0]
PREPARED_SECONDS = 600


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[LocalProvider]:
    """The provider as it is deployed, in a directory of its own; the trainer's environment is kept between runs."""
    provider = LocalProvider(
        root=tmp_path / "local",
        slots=2,
        bind="127.0.0.1",
        host="127.0.0.1",
        models=tmp_path / "models",
        weights=tmp_path / "weights",
        trainer_package=settings.BASE_DIR / "trainer",
        environment=KEPT / "trainer",
    )
    start_trainer_host(provider.root)
    yield provider
    end_trainer_host(provider.root)
    for directory in provider.root.glob("**/jobs/*/*/attempts/*"):
        processes.end_all(directory)


@pytest.mark.e2e
def test_the_sample_recipe_trains_and_goes_on_after_a_kill(provider: LocalProvider) -> None:
    first = make_reference()
    provider.submit(make_submission(first, recipe="sample-sft", learning_rate=1e-2))
    until(lambda: provider.observe(first).state is not S.CREATING, PREPARED_SECONDS)
    until(lambda: wait_for(provider, first, {S.RUNNING}).ready, 600)
    until(lambda: provider.checkpoints(first.account, first.job).records, 600)
    until(lambda: len(provider.metrics(first, 0).records) > 20)
    os.kill(_trainer_pid(provider, first.job), signal.SIGKILL)
    failed = wait_for(provider, first, {S.FAILED})
    assert failed.reason is Reason.EXIT_CODE
    assert "SIGKILL" in failed.detail
    saved = max(record.step for record in provider.checkpoints(first.account, first.job).records if not record.writing)
    assert saved in (20, 40), "it saves every 20 steps"

    second = make_reference(first.job, attempt=2)
    provider.submit(make_submission(second, recipe="sample-sft", learning_rate=1e-2))
    done = until(lambda: (seen := provider.observe(second)).reason and seen, 600)
    assert done
    assert (done.state, done.reason, done.resumed_from) == (S.COMPLETED, Reason.DONE, f"step-{saved}")
    before, after = provider.metrics(first, 0).records, provider.metrics(second, 0).records
    assert after[0].step == saved + 1
    assert after[-1].step == 60
    losses = [record.loss_per_token for record in (before[0], after[0], after[-1])]
    assert all(losses)
    assert losses == sorted(losses, key=float, reverse=True)  # type: ignore[arg-type]
    assert "step-60" in [record.name for record in provider.checkpoints(first.account, first.job).records]
    assert "COMPLETED" in provider.logs(second, 0).text


@pytest.mark.e2e
def test_replicas_train_as_one_process_does_and_end_with_any_of_them(provider: LocalProvider) -> None:
    provider = replace(provider, slots=3)
    alone, together = (make_reference() for _ in range(2))
    provider.submit(make_submission(alone, recipe="sample-sft", recipe_steps=10))
    provider.submit(make_submission(together, recipe="sample-sft", recipe_steps=1_000_000, trainer_replica_count=2))
    wait_for(provider, alone, {S.COMPLETED})
    until(lambda: wait_for(provider, together, {S.CREATING, S.RUNNING}).ready, PREPARED_SECONDS)
    assert provider.capacity().running == 2, "each replica takes a slot"
    until(lambda: len(provider.metrics(together, 0).records) >= 10)
    one, two = ([each.loss_per_token for each in provider.metrics(run, 0).records[:10]] for run in (alone, together))
    assert two == pytest.approx(one, rel=1e-5)
    (follower,) = provider.root.glob(f"jobs/*/{together.job}/attempts/1/records/ranks/1")
    psutil.Process(pid := json.loads(follower.read_bytes())["pid"]).kill()
    seen = wait_for(provider, together, {S.FAILED})
    assert f"Rank 1 of 2 (process {pid} on " in seen.detail and "was killed" in seen.detail


@pytest.mark.e2e
def test_an_idle_trainer_stops_itself(provider: LocalProvider) -> None:
    """The provider's own probes are no calls."""
    reference = make_reference()
    provider.submit(make_submission(reference, inactivity_timeout_seconds=3))
    until(lambda: provider.observe(reference).state is not S.CREATING, PREPARED_SECONDS)
    idle = until(lambda: (seen := provider.observe(reference)).reason and seen, 600)
    assert idle
    assert (idle.state, idle.reason) == (S.CANCELLED, Reason.INACTIVE)


@pytest.mark.e2e
@pytest.mark.django_db(transaction=True)
def test_the_sdk_drives_a_sampler_of_this_machine_through_the_front_door(
    provider: LocalProvider, tmp_path: Path
) -> None:
    open_to_trainers(tmp_path)
    team, model = make_account(account_id="team-a"), make_model()
    owner = make_member(account=team, role=Role.LAUNCHER)
    shape = make_shape(base_model=model, shape_id="sampler", kind=ShapeKind.DEPLOYMENT)
    version = make_version(shape=shape, gpus=0, engine=Engine.TRANSFORMERS)
    spec = make_spec("rollouts", trainer_job="job-1")
    row = make_deployment(
        owner=owner, account=team, version=version, deployment_id="rollouts", spec=spec.as_json(), start=1, running=True
    )
    samplers, key = provider.samplers, make_key(owner, team)
    samplers.start(SamplerSubmission(row.reference, row.sampler_spec, sampler_token(row)))
    up = until(lambda: (seen := samplers.observe(row.reference)).ready and seen, PREPARED_SECONDS)
    assert up
    Deployment.objects.filter(pk=row.pk).update(state="READY", endpoint=up.endpoint)
    assert httpx.post(f"{up.endpoint}/v1/completions", json={}).status_code == 401
    (made,) = provider.root.glob("samplers/jobs/*/*/attempts/1/*/model-cache/tiny-qwen3-v1")
    for name in SNAPSHOTS:
        put_snapshot(provider.root / "jobs" / "team-a" / "job-1", made, name)
    with front_door() as port:
        url, fields = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"}
        drive(url, key)
        asked = {"model": f"{DEMO}#{row.name}", "prompt": "Hi", "max_tokens": 4}
        answer = httpx.post(f"{url}/inference/v1/completions", json=asked, headers=fields, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["snapshot_identity"] == SNAPSHOTS[-1]
        form = {"prompt": "Hi", "as": "text", "temperature": "0", "max_tokens": "4", "top_p": "1", "compare": "on"}
        page = sign_in(Client(), owner).post(f"/deployments/{row.uid}/try", form)
        told = page.content.decode()
        assert (page.status_code, f"data-identity>{SNAPSHOTS[-1]}<" in told) == (200, True)
        assert "tokens/s" in told
        assert "took the base model's place" in told, "what answers is whole"
        named = fields | {"fireworks-deployment": row.name}
        listed = httpx.get(f"{url}/inference/v1/models", headers=named, timeout=60).json()["data"]
        assert row.name in [each["id"] for each in listed]
    samplers.stop(row.reference)
    over = until(lambda: (seen := samplers.observe(row.reference)).reason and seen)
    assert over and (over.reason, over.serving) == (Reason.USER, SNAPSHOTS[-1])
    row.start, row.loaded = 2, over.serving  # as a request brings it back
    samplers.start(SamplerSubmission(row.reference, row.sampler_spec, sampler_token(row)))
    back = until(lambda: (seen := samplers.observe(row.reference)).ready and seen, PREPARED_SECONDS)
    assert back and back.serving == SNAPSHOTS[-1]
    health = httpx.get(f"{back.endpoint}/api/v1/healthz", headers={"X-Api-Key": sampler_token(row)}, timeout=60)
    assert health.json()["snapshot_identity"] == SNAPSHOTS[-1]
    samplers.stop(row.reference)
    assert until(lambda: samplers.observe(row.reference).reason) is Reason.USER


def _trainer_pid(provider: LocalProvider, job: str) -> int:
    (path,) = provider.root.glob(f"jobs/*/{job}/attempts/*/trainer.json")
    pid = json.loads(path.read_text())["pid"]
    assert isinstance(pid, int)
    return pid


def write_adapter(directory: Path, **config: Any) -> Path:
    """An adapter of one module of the demo model, as peft writes it."""
    directory.mkdir(parents=True)
    told = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": DEMO, **config}
    (directory / "adapter_config.json").write_text(json.dumps(told))
    header, offset = {}, 0
    for side, shape in (("A", [2, 64]), ("B", [64, 2])):
        name = f"base_model.model.model.layers.0.self_attn.q_proj.lora_{side}.weight"
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + 512]}
        offset += 512
    text = json.dumps(header).encode()
    weights = struct.pack("<Q", len(text)) + text + struct.pack("<256f", *([0.5] * 256))
    (directory / "adapter_model.safetensors").write_bytes(weights)
    return directory


@pytest.mark.e2e
def test_an_adapter_is_merged_into_a_fresh_folder_by_somebody_else(provider: LocalProvider, tmp_path: Path) -> None:
    open_to_trainers(tmp_path)
    adapter = write_adapter(tmp_path / "adapter")
    (target := tmp_path / "target").mkdir()
    provider.merge(DEMO, adapter, target)
    written = {path.name: path.stat() for path in target.iterdir()}
    assert written.keys() >= {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {(stat.st_uid, stat.st_mode & 0o777) for stat in written.values()} == {(os.geteuid(), 0o644)}
    assert list((provider.root / "merging").iterdir()) == []

    (fresh := tmp_path / "fresh").mkdir()
    other = write_adapter(tmp_path / "other", base_model_name_or_path="accounts/local/models/tiny-qwen3-chat")
    linked = write_adapter(tmp_path / "linked")
    (linked / "adapter_config.json").unlink()
    (linked / "adapter_config.json").symlink_to(adapter / "adapter_config.json")
    for base, given, folder, words in [
        (DEMO, adapter, target, "is not empty"),
        (DEMO, other, fresh, f"of base model accounts/local/models/tiny-qwen3-chat, not {DEMO}"),
        (DEMO, linked, fresh, "adapter_config.json is missing"),
        ("accounts/team-a/models/none", adapter, fresh, "is not on this machine"),
    ]:
        with pytest.raises(Rejected, match=words):
            provider.merge(base, given, folder)
    assert list(fresh.iterdir()) == list((provider.root / "merging").iterdir()) == []


@pytest.mark.e2e
def test_tokens_are_counted_by_somebody_else(provider: LocalProvider, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "Once upon a time"}\n{"text": "a"}\n')
    rows.chmod(0o400)
    assert provider.has_tokenizer(DEMO) and not provider.has_tokenizer("accounts/local/models/none")
    found = provider.count_tokens(DEMO, rows)
    assert sum(found.counts) == 2 and 0 < found.longest < found.tokens
    shown = found.samples[0]["sequences"][0]
    assert shown["parts"][0][0].startswith("Once upon a time") and 0 < shown["learnt"] == shown["tokens"], shown
    rows.chmod(0o600)
    rows.write_text("no json\n")
    with pytest.raises(Rejected, match="Line 1"):
        provider.count_tokens(DEMO, rows)
