"""Ids of jobs on another control plane: legal, stable, each its own, and read back where nothing was cut."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connections.providers.attempts import NEWEST_ATTEMPT, Reference
from connections.providers.control_plane.names import LONGEST, is_ours, read_remote_id, remote_id
from wire.names import is_id

INSTANCES = st.text("abcxyz019", min_size=10, max_size=10)
IDS = st.text("ab0-", min_size=1, max_size=63).map(lambda text: text.strip("-") or "a")
"""Few letters and many hyphens, so that accounts and jobs run into each other."""
JOBS = st.tuples(INSTANCES, IDS, IDS)


@settings(max_examples=40)
@given(JOBS)
def test_is_an_id_that_says_whose_it_is(job: tuple[str, str, str]) -> None:
    made = remote_id(*job)
    assert is_id(made)
    assert len(made) <= LONGEST
    assert is_ours(job[0], made)


@settings(max_examples=40)
@given(JOBS, JOBS)
def test_two_jobs_have_two_ids(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assume(one != other)
    assert remote_id(*one) != remote_id(*other)


@settings(max_examples=40)
@given(JOBS)
def test_hyphens_between_account_and_job_do_not_mix(job: tuple[str, str, str]) -> None:
    instance, account, name = job
    words = f"{account}-{name}"
    others = {(words[:i], words[i + 1 :]) for i, letter in enumerate(words) if letter == "-"}
    ids = {remote_id(instance, *pair) for pair in others if all(pair)}
    assert len(ids) == len({pair for pair in others if all(pair)})


@settings(max_examples=40)
@given(JOBS)
def test_is_read_back_or_named_as_it_is_there(job: tuple[str, str, str]) -> None:
    instance, account, name = job
    made = remote_id(*job)
    read = read_remote_id(instance, made)
    whole = f"-{account}-{name}-" in made
    assert read == (Reference(account, name, NEWEST_ATTEMPT) if whole else Reference("", made, NEWEST_ATTEMPT))
    assert remote_id(instance, read.account, read.job) == made


@settings(max_examples=40)
@given(INSTANCES, INSTANCES, IDS, IDS)
def test_another_slipways_job_is_none_of_ours(ours: str, other: str, account: str, job: str) -> None:
    assume(ours[:5] != other[:5])
    assert read_remote_id(ours, remote_id(other, account, job)) is None


@settings(max_examples=40)
@given(INSTANCES, st.text(max_size=80))
def test_reads_any_text(instance: str, text: str) -> None:
    read = read_remote_id(instance, text)
    assert read is None or is_id(text)


def test_stays_as_it_is() -> None:
    """Launches of older releases are found under these."""
    assert remote_id("k7m2qx9ab1", "team-a", "my-run") == "sk7m2q-team-a-my-run-pbekzzlmgv"
    assert remote_id("k7m2qx9ab1", "a" * 63, "b" * 63) == f"sk7m2q-{'a' * 45}-5uneuil5cb"
