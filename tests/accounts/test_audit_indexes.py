"""At 100,000 entries, a page of the audit log and the choices of its filters read an index, and little of it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict

from accounts.audit_filters import AUDIT, NEWEST_FIRST
from accounts.audit_queries import choices_of, list_entries
from accounts.models import Account, AuditEntry
from lists.orders import FEW
from tests import plans
from tests.makers import make_account

ROWS = 100_000
LOOKED_FOR = 2 * FEW
"""How much is read to see whether few entries are of a target, beside what else is asked for."""
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the tables takes its time

# One a minute from 2026-01-01; a verb, an actor and a member that are rare, each among the oldest entries. The newest
# tenth are sign-ins, which a publisher is not shown.
FILL = """
    INSERT INTO accounts_auditentry (account_id, actor_label, verb, target, reason, request_id, created_at)
    SELECT %(account)s,
           CASE WHEN n < 20 THEN 'rare actor' ELSE 'user ' || n %% 40 END,
           CASE WHEN n < 20 THEN 'rare_verb' WHEN n >= %(rows)s * 0.9 THEN 'sign_in' ELSE 'verb_' || n %% 12 END,
           'accounts/team-a/' || CASE WHEN n < 20 THEN 'members/rare' ELSE 'rlorTrainerJobs/job-' || n END,
           '', '', timestamptz '2026-01-01 00:00+00' + n * interval '1 minute'
    FROM generate_series(0, %(rows)s - 1) n
"""


@pytest.fixture
def team() -> Account:
    """An account with many entries, beside another one with as many."""
    account, other = make_account(account_id="team-a"), make_account(account_id="team-b")
    with connection.cursor() as cursor:
        for owner in (account, other):
            cursor.execute(FILL, {"account": owner.pk, "rows": ROWS})
        cursor.execute("ANALYZE accounts_auditentry")
    return account


def assert_reads_little(call: Callable[[], object], *, most: int = plans.PAGE_READS) -> None:
    plans.assert_reads_little("accounts_auditentry", call, most=most)


def test_pages_read_an_index_wherever_they_are_and_however_filtered(team: Account) -> None:
    def page(cursor: str = "", personal: bool = True, **filters: str) -> Callable[[], object]:
        asked = AUDIT.read(QueryDict(urlencode(filters)))
        return lambda: list_entries(team, asked, personal=personal, cursor=cursor)

    middle = AuditEntry.objects.filter(account=team).order_by("created_at")[ROWS // 2]
    deep = NEWEST_FIRST.cursor(NEWEST_FIRST.place_of(middle))
    assert_reads_little(page())
    assert_reads_little(page(cursor=deep))
    assert_reads_little(page(personal=False))
    assert_reads_little(page(personal=False, cursor=deep))
    assert_reads_little(page(address="192.0.2.1"))
    assert_reads_little(page(actor="rare actor"))
    assert_reads_little(page(actor="user 7", cursor=deep))
    assert_reads_little(page(actor="nobody"))
    assert_reads_little(page(verb="rare_verb"))
    assert_reads_little(page(verb="verb_7", cursor=deep))
    assert_reads_little(page(verb="never_done"))
    assert_reads_little(page(target="members/rare"), most=LOOKED_FOR)
    assert_reads_little(page(target="rlorTrainerJobs/job-500"), most=LOOKED_FOR)
    assert_reads_little(page(target="rlorTrainerJobs/"), most=LOOKED_FOR)
    assert_reads_little(page(target="nothing/like/it"), most=LOOKED_FOR)
    assert_reads_little(page(since="2026-01-02", until="2026-01-03"))
    assert_reads_little(page(until="2026-01-01", verb="verb_7"))
    assert_reads_little(page(actor="user 7", verb="verb_7", target="rlorTrainerJobs/"), most=LOOKED_FOR)


def test_the_choices_of_filters_are_found_by_skipping_through_an_index(team: Account) -> None:
    assert choices_of(team, "verb") == sorted(["rare_verb", "sign_in", *(f"verb_{n}" for n in range(12))])
    assert_reads_little(lambda: choices_of(team, "verb"))
    assert_reads_little(lambda: choices_of(team, "actor_label"))
