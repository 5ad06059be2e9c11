"""The queue: order, repeats, answers that are kept for a while."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from trainer import work as work_module
from trainer.errors import OperationError
from trainer.work import Work, repeat_keys


def test_operations_run_one_at_a_time_in_order() -> None:
    work, seen, running = Work(), [], threading.Semaphore(1)

    def run(number: int) -> dict[str, Any]:
        assert running.acquire(blocking=False)
        seen.append(number)
        running.release()
        return {}

    ids = [work.submit("forward", lambda number=number: run(number)) for number in range(50)]
    for request_id in ids:
        work.ticket(request_id).future.result(timeout=60)
    assert seen == list(range(50))


def test_a_repeat_runs_once() -> None:
    work, runs = Work(), []
    body = {"seq_id": 1}
    same = [repeat_keys("forward", body, b"raw", "key-1"), repeat_keys("forward", body, b"raw", "key-2")]
    ids = {work.submit("forward", lambda: runs.append(1) or {}, keys) for keys in same}
    ids.add(work.submit("forward", lambda: runs.append(1) or {}, repeat_keys("forward", {}, b"other", "key-1")))
    assert len(ids) == 1
    work.ticket(ids.pop()).future.result(timeout=60)
    assert runs == [1]


def test_other_calls_are_no_repeats() -> None:
    keys = [
        repeat_keys("forward", {"seq_id": 1}, b"raw", None),
        repeat_keys("forward", {"seq_id": 1}, b"another", None),
        repeat_keys("optim_step", {"seq_id": 1}, b"raw", None),
        repeat_keys("forward", {}, b"raw", "a"),
        repeat_keys("optim_step", {}, b"raw", "a"),
    ]
    assert len({key for group in keys for key in group}) == len(keys)
    assert repeat_keys("forward", {}, b"raw", None) == ()


def test_answers_are_forgotten_and_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "KEEP_FETCHED_S", -1.0)
    work = Work()
    first = work.submit("forward", dict, ("key",))
    work.ticket(first).future.result(timeout=60)
    work.ticket(first).mark_fetched()
    second = work.submit("forward", dict, ("key",))
    assert second != first
    for request_id, status in [(first, 410), ("0-1", 404), (f"{first.split('-')[0]}-99", 404), ("nonsense", 404)]:
        with pytest.raises(OperationError) as caught:
            work.ticket(request_id)
        assert caught.value.status == status


def test_a_full_queue_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "WAITING_LIMIT", 2)
    work, release = Work(), threading.Event()
    for _ in range(2):
        work.submit("forward", lambda: {"waited": release.wait(60)})
    with pytest.raises(OperationError) as caught:
        work.submit("forward", dict)
    release.set()
    assert caught.value.status == 429


def test_what_waits_is_counted_while_others_submit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watching thread asks for it all the time, and its end is the trainer's."""
    monkeypatch.setattr(work_module, "WAITING_LIMIT", 10_000)
    work, usual = Work(), sys.getswitchinterval()
    loop = threading.Thread(target=lambda: [work.submit("forward", dict) for _ in range(2_000)])
    sys.setswitchinterval(1e-6)
    try:
        loop.start()
        while loop.is_alive():
            assert work.waiting >= 0
    finally:
        sys.setswitchinterval(usual)
        loop.join()
