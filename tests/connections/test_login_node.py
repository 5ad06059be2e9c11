"""Programs on a login node, by a real sshd: what arrives there, what is believed of it, and what a failure says."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from connections.providers.errors import Retryable, SecretRefused, Unreachable
from connections.providers.slurm import ssh
from connections.providers.slurm.client import SlurmClient
from connections.providers.slurm.login import (
    fingerprint_of,
    parse_login,
    public_line,
    read_host_key,
    read_login,
    wrong_private_key,
)
from connections.providers.slurm.shells import ThisMachine
from connections.providers.slurm.ssh import LoginNode
from connections.providers.slurm.trying import read_trial
from connections.providers.trainer_files import liveness
from tests.connections.rig import until
from tests.connections.sshd import Sshd, needs_sshd, sshd_running

HOSTILE = ["$(touch pwned)", "`id`", "a b", "'", '"', "\\", "\n", "*", "~", ";", "&", "|", ">x", "!!", "", "-e", "ä🚢"]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd_running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def node(sshd: Sshd) -> LoginNode:
    return sshd.node()


def say(node: LoginNode, *words: str, seconds: float = 20.0) -> str:
    return node.run(words, {}, "", seconds).out


@needs_sshd
def test_every_word_arrives_as_it_is(node: LoginNode) -> None:
    said = node.run(["printf", "%s\\0", *HOSTILE], {"A": HOSTILE[0]}, "", 20)
    assert said.out.split("\0")[:-1] == HOSTILE
    assert node.run(["sh", "-c", 'printf %s "$A"'], {"A": "$(id) 'x'"}, "", 20).out == "$(id) 'x'"


@needs_sshd
def test_tells_what_the_program_was_given_and_left(node: LoginNode, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = node.run(["sh", "-c", "cat; echo no >&2; exit 7"], {}, "a script\n" * 50_000, 20)
    assert (ran.code, ran.out, ran.err) == (7, "a script\n" * 50_000, "no\n")
    assert node.run(["sh", "-c", "kill -9 $$"], {}, "", 20).code == -1
    with pytest.raises(Retryable, match=r"/nowhere/scancel is not found on 127\.0\.0\.1: say in which folder"):
        SlurmClient(shell=node, programs="/nowhere").cancel("1")
    monkeypatch.setattr(ssh, "LARGEST_ANSWER", 100_000)
    with pytest.raises(Retryable, match="more than can be an answer"):
        say(node, "sh", "-c", f"head -c {ssh.LARGEST_ANSWER + 70_000} /dev/zero")


@needs_sshd
def test_an_estimated_start_is_of_no_machines_own_clock(
    node: LoginNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = "TZ=${TZ-America/New_York} date -d @1764180000 +%FT%T"
    said = f"sbatch: Job 7 to start at $({local}) using 1 processors on nodes n1 in partition train"
    (tmp_path / "sbatch").write_text(f'#!/bin/sh\necho "{said}" >&2\n')
    (tmp_path / "sbatch").chmod(0o700)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    for shell in (node, ThisMachine()):
        trial = read_trial(SlurmClient(shell=shell, programs=str(tmp_path)).try_out([], ""))
        assert (trial.starts, trial.nodes) == (datetime.fromtimestamp(1764180000, UTC), "n1")


@needs_sshd
def test_a_program_that_takes_too_long_is_ended_and_the_connection_kept(sshd: Sshd, node: LoginNode) -> None:
    before = say(node, "sh", "-c", "echo $SSH_CONNECTION")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 did not answer sleep within 0\.2 s"):
        say(node, "sleep", "60", seconds=0.2)
    assert say(node, "sh", "-c", "echo $SSH_CONNECTION") == before
    until(lambda: "sleep" not in {child.name() for child in sshd.process.children(recursive=True)})


@needs_sshd
def test_one_connection_serves_until_it_breaks_and_then_another(sshd: Sshd, node: LoginNode) -> None:
    ask = ("sh", "-c", "echo $SSH_CONNECTION")
    first = say(node, *ask)
    assert say(node, *ask) == first
    sshd.break_connections()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert say(node, *ask) != first
            break
        except Unreachable:
            assert time.monotonic() < deadline
    assert say(node, *ask) == say(node, *ask)


@needs_sshd
def test_a_forked_worker_has_a_connection_of_its_own(node: LoginNode) -> None:
    ask = ("sh", "-c", "echo $SSH_CONNECTION")
    before = say(node, *ask)
    forked = multiprocessing.get_context("fork")
    told = forked.SimpleQueue()
    child = forked.Process(target=lambda: told.put(say(node, *ask)))
    child.start()
    assert told.get() not in ("", before)
    child.join()
    assert say(node, *ask) == before


@needs_sshd
def test_nothing_of_this_machine_is_asked(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  User nobody\n  ProxyCommand false\n  Port 1\n")
    (tmp_path / ".ssh" / "known_hosts").write_text("* ssh-ed25519 AAAA\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert say(sshd.node(), "echo", "hello") == "hello\n"
    assert not [path.name for path in tmp_path.rglob("*") if path.name not in {".ssh", "config", "known_hosts"}]


@needs_sshd
def test_a_host_key_is_believed_only_where_somebody_said_it(sshd: Sshd) -> None:
    shown = sshd.login.host_key
    with pytest.raises(Unreachable) as unknown:
        say(sshd.node(host_key=""), "true")
    assert fingerprint_of(shown) in str(unknown.value)
    assert str(unknown.value).endswith(f"put this into Host key: {shown}")
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256"):
        other = public_line(asyncssh.generate_private_key(kind))
        with pytest.raises(Unreachable) as changed:
            say(sshd.node(host_key=other), "true")
        assert fingerprint_of(other) in str(changed.value)
        assert fingerprint_of(shown) in str(changed.value)
        assert "ask whoever runs it" in str(changed.value)


@needs_sshd
def test_a_key_that_is_refused_says_what_to_add_there(sshd: Sshd) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    stranger = replace(sshd.node(), key=key.export_private_key().decode())
    with pytest.raises(SecretRefused) as refused:
        say(stranger, "true")
    assert str(refused.value).endswith(f"authorized_keys there: {public_line(key)}")
    assert "PRIVATE" not in str(refused.value) + repr(stranger)
    with pytest.raises(Retryable, match="put it in again"):
        say(replace(stranger, key="nonsense"), "true")


@needs_sshd
def test_a_tunnel_carries_both_ways_until_either_end_closes(node: LoginNode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        near = node.dial("127.0.0.1", port).result()
        far, _ = server.accept()
        content = b"0123456789" * 300_000
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(near.sendall, content)
            assert _all_of(far, len(content)) == content
            sent.result()
        far.sendall(b"answer")
        far.close()
        assert _all_of(near, 7) == b"answer", "and then its end"
        near.close()
        other = node.dial("127.0.0.1", port).result()
        far, _ = server.accept()
        other.close()
        far.settimeout(20)
        assert far.recv(1) == b""
        far.close()
    with pytest.raises(OSError, match=f"does not reach 127.0.0.1:{port}"):
        node.dial("127.0.0.1", port).result()
    until(lambda: not node.line().tunnels)


@needs_sshd
@pytest.mark.parametrize("patience", [30.0, 0.2], ids=["ours", "the tunnel's"])
def test_a_machine_that_drops_packets_is_one_that_does_not_answer(
    node: LoginNode, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(ssh, "TUNNEL_SECONDS", patience)
    before = say(node, "sh", "-c", "echo $SSH_CONNECTION")
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        began = time.monotonic()
        assert not liveness.answers("127.0.0.1", full.getsockname()[1], "token", node.dial)
        assert time.monotonic() - began < 5
    assert say(node, "sh", "-c", "echo $SSH_CONNECTION") == before
    until(lambda: not node.line().tunnels)


def _all_of(connection: socket.socket, size: int) -> bytes:
    connection.settimeout(20)
    said = b""
    while len(said) < size and (piece := connection.recv(65536)):
        said += piece
    return said


def test_a_host_that_is_silent_keeps_only_the_first_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 0.3)
    key = asyncssh.generate_private_key("ssh-ed25519")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        login = parse_login(f"slipway@127.0.0.1:{silent.getsockname()[1]}", public_line(key))
        assert login
        node = LoginNode(login, key.export_private_key().decode())
        took = []
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
                say(node, "true")
            took.append(time.monotonic() - began)
    assert took[0] >= 0.3 > took[1]
    with pytest.raises(Unreachable, match="cannot be reached: Connect"):
        say(LoginNode(login, node.key), "true")


def test_logins_and_keys_are_read_as_people_write_them() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = public_line(key)
    for written in (line, f"{line} root@login1", f"login1,10.0.0.1 {line}", f" {line}\n"):
        assert read_host_key(written) == line
    for wrong in ("ssh-ed25519", "ssh-ed25519 AAAA", "SHA256:abc", "nonsense nonsense"):
        with pytest.raises(ValueError, match="ssh_host_ed25519_key"):
            read_host_key(wrong)
    for login, read in (
        ("slipway@login1", ("slipway", "login1", 22)),
        ("a.b-c@10.0.0.1:2222", ("a.b-c", "10.0.0.1", 2222)),
        ("x@[fe80::1]:22", ("x", "fe80::1", 22)),
    ):
        found = parse_login(read_login(login))
        assert found
        assert (found.user, found.host, found.port) == read
    for wrong in ("login1", "a@b:0", "a@b:99999", "a@-oProxyCommand=x", "a b@c", "a@b c", "a@b/../c", "@b", "a@"):
        with pytest.raises(ValueError, match="USER@HOST"):
            read_login(wrong)
    kept = key.export_private_key().decode()
    assert not wrong_private_key(kept)
    assert not wrong_private_key(kept.replace("\n", "\r\n").strip())
    assert "passphrase" in wrong_private_key(key.export_private_key("pkcs8-pem", passphrase="x").decode())
    for wrong in (line, "nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"):
        assert "no private key" in wrong_private_key(wrong)
