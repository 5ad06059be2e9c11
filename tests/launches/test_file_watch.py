"""A look comes sooner than it is due where its trainer wrote something and somebody watches, and only there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from launches.domain.claim_attempt import claim_attempt
from launches.live import file_watch
from launches.live.file_watch import FileNews, FileWatch
from launches.live.wake import WATCHED_PREFIX
from launches.tasks import AHEAD
from tests.launches.makers import attempt_of, make_launch

PATIENCE = 60
_accounts = count(900_001)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The attempts that were hinted."""
    found: list[int] = []
    monkeypatch.setattr(file_watch, "KEPT_SECONDS", PATIENCE)
    monkeypatch.setattr(file_watch, "hint", lambda _, attempt: found.append(attempt))
    return found


@pytest.fixture
def watched() -> int:
    """An account that a page follows."""
    account = next(_accounts)
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.set(f"{WATCHED_PREFIX}{account}", 1, ex=PATIENCE)
    return account


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_news_are_looked_at_where_somebody_watches(looks: list[int], watched: int, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("grows", "appears", "stays")]
    files[0].write_text("1")
    watch = FileWatch()
    watch.keep(3, next(_accounts), FileNews.of(files), cpu_seconds=0, wall_seconds=0)
    watch.keep(1, watched, FileNews.of(files), cpu_seconds=0, wall_seconds=0)
    watch.keep(2, watched, FileNews.of(files[2:]), cpu_seconds=0, wall_seconds=0)
    files[1].touch()
    wait_for(lambda: looks != [])
    watch.keep(1, watched, FileNews.of(files), cpu_seconds=0, wall_seconds=0)
    files[0].write_text("12")
    wait_for(lambda: len(looks) > 1)
    assert looks == [1, 1]


@pytest.mark.parametrize(("cpu", "wall"), [(PATIENCE, 0), (0, PATIENCE)])
def test_how_often_is_bounded_by_what_looks_take(
    looks: list[int], watched: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: float, wall: float
) -> None:
    monkeypatch.setattr(file_watch, "KEPT_SECONDS", 1.0)
    news = FileNews.of([tmp_path / "appears"])
    (tmp_path / "appears").touch()
    watch = FileWatch()
    watch.keep(1, watched, news, cpu_seconds=cpu, wall_seconds=wall)
    wait_for(lambda: watch._thread is None)
    assert looks == []


def test_what_was_written_while_it_was_looked_at_is_news(looks: list[int], watched: int, tmp_path: Path) -> None:
    news = FileNews.of([tmp_path / "appears"])
    (tmp_path / "appears").touch()
    FileWatch().keep(1, watched, news, cpu_seconds=0, wall_seconds=0)
    wait_for(lambda: looks == [1])


@pytest.mark.django_db
def test_a_look_takes_what_is_due_soon_and_not_what_was_just_looked_at() -> None:
    attempt, now = attempt_of(make_launch()), timezone.now()
    attempt.next_check_at = now + timedelta(seconds=1)
    attempt.save()
    assert claim_attempt(attempt.pk, now=now, early=AHEAD) is None
    attempt.next_check_at = now + timedelta(seconds=0.5)
    attempt.save()
    assert claim_attempt(attempt.pk, now=now) is None
    assert claim_attempt(attempt.pk, now=now, early=AHEAD) is not None
    assert claim_attempt(attempt.pk, now=now, early=AHEAD) is None
