"""Where Slipway runs as root, trainers are other users: what they reach, what not, and what jobs from before become."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local import reach
from connections.providers.local.users import JobUsers
from connections.providers.states import AttemptState
from connections.providers.trainer_files import files
from tests.connections.local_rig import LocalRig, is_alive, make_rig
from tests.connections.rig import make_reference, make_submission, until, wait_for, wait_ready
from tests.connections.trainer_hosts import start_trainer_host

pytestmark = [
    pytest.mark.e2e,  # real processes
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT ROOT: trainers run under our own user here"),
]


def spied(rig: LocalRig, reference: Reference) -> dict[str, str]:
    """What the attempt's trainer could do with each path that it was told to try."""
    path = rig.directory(reference) / files.RECORDS / "spied.json"
    rig.provider.observe(reference)  # which starts it
    return dict(json.loads(until(lambda: path.read_text() if path.exists() else "")))


def run_to_end(rig: LocalRig, reference: Reference) -> None:
    rig.finish(reference.job)
    rig.provider.submit(make_submission(reference))
    wait_for(rig.provider, reference, {AttemptState.COMPLETED})


def test_a_trainer_reaches_its_own_and_the_checkpoints_of_its_account_only(local: LocalRig) -> None:
    mate, stranger, spy = make_reference(), make_reference(account="team-b"), make_reference()
    for other in (mate, stranger):
        local.tell(other.job, checkpoints={"step-1": 1})
        local.provider.submit(make_submission(other))
        wait_ready(local.provider, other)
    local.finish(mate.job)
    wait_for(local.provider, mate, {AttemptState.COMPLETED})
    local.provider.delete(mate.account, mate.job, keep_checkpoints=True)

    home = local.provider.root.parent
    (home / "secret-key").write_text("secret")
    (home / "secret-key").chmod(0o600)
    models = {
        account: local.provider.weights / account / "made" / "adapter_config.json" for account in ("team-a", "team-b")
    }
    for model in models.values():
        model.parent.mkdir(parents=True)
        model.write_text("{}")
        model.parents[1].chmod(0o750)
    mine, theirs, strange = (local.directory(reference) for reference in (spy, mate, stranger))
    running = psutil.Process(local.pids(stranger.job)[0])
    assert local.provider.root.stat().st_mode & 0o777 == 0o711
    allowed = {
        str(mine / files.RECORDS): "lw",
        str(mine.parent.parent / files.CHECKPOINTS): "lw",
        str(mine.parent.parent / files.SAMPLER): "lw",
        str(mine / files.CONFIG): "r",
        str(mine / files.PROGRESS): "r",
        str(models["team-a"]): "r",
        str(theirs.parent.parent / files.CHECKPOINTS): "l",
        str(theirs.parent.parent / files.CHECKPOINTS / "step-1" / "checkpoint.json"): "r",
    }
    refused = [
        home / "secret-key",
        models["team-b"],
        *(mine, mine.parent, mine / files.TOKEN, mine / files.PLAN, mine / files.EXIT),
        *(theirs.parent.parent, theirs, theirs / files.CONFIG, theirs / files.LOG, theirs / files.RECORDS),
        *(strange.parent.parent.parent, strange.parent.parent / files.CHECKPOINTS, strange / files.TOKEN),
        *(
            strange.parent.parent / files.CHECKPOINTS / "step-1" / "checkpoint.json",
            strange.parent.parent / files.SAMPLER,
        ),
        *(local.provider.root / "jobs", local.provider.root / "queue", local.provider.root),
        *(Path(f"/proc/{pid}/environ") for pid in (os.getpid(), running.pid, local.wrapper_pid(stranger))),
    ]
    local.tell(spy.job, spy=[*allowed, *map(str, refused)])
    local.provider.submit(make_submission(spy))
    assert spied(local, spy) == allowed | {str(path): "" for path in refused}
    with pytest.raises(PermissionError):
        _kill_as(psutil.Process(local.pids(spy.job)[0]).uids().real, running.pid)


def _kill_as(uid: int, pid: int) -> None:
    """Try to signal the process as that user."""
    read, write = os.pipe()
    if not (child := os.fork()):
        os.setuid(uid)
        try:
            os.kill(pid, 0)
        except PermissionError:
            os.write(write, b"refused")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    if os.read(read, 10) == b"refused":
        raise PermissionError


def test_its_user_is_nobody_known_and_has_a_home_for_as_long_as_it_runs(local: LocalRig) -> None:
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    wait_ready(local.provider, reference)
    process = psutil.Process(local.pids(reference.job)[0])
    first, last = local.provider.users
    uid = process.uids().real
    assert first <= uid <= last
    assert process.uids() == (uid, uid, uid)
    assert process.gids() == (uid, uid, uid)
    with pytest.raises(KeyError):
        pwd.getpwuid(uid)
    seen = json.loads((local.directory(reference) / files.RECORDS / "environ.json").read_text())
    home = local.directory(reference) / files.HOME
    assert (seen["HOME"], seen["TMPDIR"], seen["USER"]) == (str(home), str(home), "trainer")
    assert home.stat().st_uid == uid
    local.finish(reference.job)
    wait_for(local.provider, reference, {AttemptState.COMPLETED})
    until(lambda: not home.exists())


def test_what_left_its_group_and_its_mark_ends_with_it(local: LocalRig) -> None:
    ended, killed = make_reference(), make_reference()
    for reference in (ended, killed):
        local.tell(reference.job, stray=True)
        local.provider.submit(make_submission(reference))
        wait_ready(local.provider, reference)
    strays = [local.pids(reference.job, "child")[0] for reference in (ended, killed)]
    assert all(map(is_alive, strays))
    local.finish(ended.job)
    wait_for(local.provider, ended, {AttemptState.COMPLETED})
    psutil.Process(local.wrapper_pid(killed)).kill()
    wait_for(local.provider, killed, {AttemptState.FAILED})
    until(lambda: not any(map(is_alive, strays)))


def test_a_job_of_roots_is_handed_over_resumed_and_read_by_others(local: LocalRig) -> None:
    """As the releases before left them: everything root's, 0700, records beside what is ours."""
    old = make_reference()
    checkpoint = local.directory(old).parent.parent / files.CHECKPOINTS / "step-7"
    files.make_directory(checkpoint)
    about = {"name": "step-7", "step": 7, "size_bytes": 10, "created_at": "2026-01-01T00:00:00Z"}
    files.write_json(checkpoint / "checkpoint.json", about)
    (checkpoint / "link").symlink_to("/etc/shadow")
    files.make_directory(local.directory(old))
    ended = {"stage": "trainer", "code": 1, "signal": None, "asked": False}
    files.write_json(local.directory(old) / files.EXIT, ended)
    recorded = {"reference": {}, "spec": make_submission(old).spec.as_json()}
    files.write_json(local.directory(old) / files.SUBMISSION, recorded)
    (local.directory(old) / files.METRICS).write_text(
        '{"number": 1, "step": 7, "loss_per_token": 1.0, "time": "2026-01-01T00:00:00Z"}\n'
    )
    assert [record.step for record in local.provider.metrics(old, 0).records] == [7]
    shadow = Path("/etc/shadow").stat()

    reader = make_reference()
    local.tell(reader.job, spy=[str(checkpoint / "checkpoint.json"), str(local.directory(old) / files.METRICS)])
    local.provider.submit(make_submission(reader))
    assert list(spied(local, reader).values()) == ["r", ""]

    again = make_reference(old.job, attempt=2)
    local.tell(old.job, spy=[str(checkpoint / "checkpoint.json"), str(checkpoint)])
    local.provider.submit(make_submission(again))
    assert wait_ready(local.provider, again).resumed_from == "step-7"
    assert list(spied(local, again).values()) == ["rw", "lw"]
    assert Path("/etc/shadow").stat()[:6] == shadow[:6]  # mode, owner and group among them
    owner = checkpoint.stat().st_uid
    assert owner == psutil.Process(local.pids(old.job)[-1]).uids().real

    third = make_reference(old.job, attempt=3)
    local.finish(old.job)
    wait_for(local.provider, again, {AttemptState.COMPLETED})
    run_to_end(local, third)
    assert checkpoint.stat().st_uid == owner


def test_one_that_waits_goes_on_where_its_folder_was_moved_to(tmp_path: Path) -> None:
    """A copy of the state on another path, without its owners, as some programs make it."""
    rig = make_rig(tmp_path / "before", slots=1)
    first, second = make_reference(), make_reference()
    try:
        rig.tell(first.job, checkpoints={"step-3": 3})
        for reference in (first, second):
            rig.provider.submit(make_submission(reference))
        wait_ready(rig.provider, first)
        rig.provider.stop_all(5)
    finally:
        rig.end()
    moved = make_rig(tmp_path / "after", slots=1, hosted=False)
    try:
        shutil.copytree(rig.provider.root, moved.provider.root)
        (moved.provider.root / "held").unlink()
        start_trainer_host(moved.provider.root)
        shutil.rmtree(tmp_path / "before")
        moved.tell(second.job, spy=[str(moved.directory(first).parent.parent / "checkpoints/step-3/checkpoint.json")])
        wait_ready(moved.provider, second)
        assert list(spied(moved, second).values()) == ["r"]
        moved.finish(second.job)
        wait_for(moved.provider, second, {AttemptState.COMPLETED})
        resumed = make_reference(first.job, attempt=2)
        moved.provider.submit(make_submission(resumed))
        assert wait_ready(moved.provider, resumed).resumed_from == "step-3"
    finally:
        moved.end()


def test_without_a_free_user_it_waits_and_others_are_observed(local: LocalRig) -> None:
    job = local.directory(make_reference()).parent.parent
    files.make_directory(job / files.CHECKPOINTS)
    users = JobUsers(local.provider.root, 1, 1, ())  # somebody's, as the passwd file says
    with pytest.raises(Retryable, match="All 1 user ids for trainers"):
        users.of(job)


def test_a_closed_folder_is_covered_and_its_files_stay_closed(tmp_path: Path) -> None:
    if not reach.can_cover():
        pytest.skip("NO MOUNTS: this machine lets nobody have a mount namespace")
    closed = tmp_path / "closed"
    shown, hidden = closed / "a" / "shown", closed / "hidden"
    shown.mkdir(parents=True)
    hidden.write_text("")
    (shown / "file").write_text("read me")
    for folder in (closed, closed / "a"):
        folder.chmod(0o700)
    for folder in tmp_path.parents:
        if folder.owner() == "root":
            folder.chmod(folder.stat().st_mode | 0o011)
    program = (
        "import os, sys; from pathlib import Path; from connections.providers.local import reach\n"
        "shown, hidden = map(Path, sys.argv[1:])\n"
        "reach.let_through([shown]); os.setuid(30_000)\n"
        "print((shown / 'file').read_text(), hidden.exists(), Path('/root').exists())"
    )
    done = psutil.Popen(
        [sys.executable, "-c", program, str(shown), str(hidden)], stdout=-1, cwd=Path(__file__).parents[2]
    )
    assert done.communicate()[0].decode() == "read me False True\n"
    assert hidden.exists()


def test_the_python_behind_an_environment_is_reached_though_another_one_runs_slipway(local: LocalRig) -> None:
    python, link = local.provider.root.parent / "another" / "bin" / "python3", local.provider.environment / "bin/python"
    for path in (python, link):
        path.parent.mkdir(parents=True)
    python.touch()
    link.symlink_to(python)
    reference = make_reference()
    local.provider.submit(make_submission(reference))
    local.provider.observe(reference)  # which starts it
    plan = json.loads((local.directory(reference) / files.PLAN).read_text())
    assert {str(python.parents[1]), sys.base_prefix} <= set(plan["reached"])


def test_a_model_that_other_users_cannot_read_is_said_beforehand(local: LocalRig) -> None:
    directory = local.provider.models / "my-model"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").touch(mode=0o600)
    spec = make_submission(make_reference(), base_model="accounts/local/models/my-model").spec
    (reason,) = local.provider.fits(spec)
    assert f"open {directory / 'model.safetensors'} to them (chmod o+rX)" in reason
    (directory / "model.safetensors").chmod(0o644)
    assert local.provider.fits(spec) == []


def test_a_copy_gets_users_of_its_own_and_leaves_the_original_alone(local: LocalRig, tmp_path: Path) -> None:
    running = make_reference()
    local.provider.submit(make_submission(running))
    wait_ready(local.provider, running)
    uid = psutil.Process(local.pids(running.job)[0]).uids().real
    copy = make_rig(tmp_path / "copy", hosted=False)
    try:
        subprocess.run(["cp", "-a", local.provider.root, copy.provider.root], check=True)
        start_trainer_host(copy.provider.root)
        wait_for(copy.provider, running, {AttemptState.FAILED})
        resumed = make_reference(running.job, attempt=2)
        copy.provider.submit(make_submission(resumed))
        wait_ready(copy.provider, resumed)
        assert psutil.Process(copy.pids(running.job)[0]).uids().real != uid
        copy.finish(running.job)
        wait_for(copy.provider, resumed, {AttemptState.COMPLETED})
        assert wait_ready(local.provider, running).ready
    finally:
        copy.end()
