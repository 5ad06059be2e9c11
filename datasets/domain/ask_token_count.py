"""Ask for the tokens of a dataset by the tokenizer of a base model; a worker counts them."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import Right
from catalog.model_queries import visible_models
from connections.models import Connection
from connections.opened import token_counter
from connections.queries import usable_connections
from datasets.hints import COUNT
from datasets.models import Dataset, TokenCount
from datasets.states import DatasetState
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition, InvalidArgument, Violation

MOST_MODELS = 200


@transaction.atomic
def ask_token_count(*, actor: Actor, dataset: Dataset, base_model: str) -> TokenCount:
    """The count, which is the one that there is where that was asked for before; one that failed is begun anew.

    Errors: `NotFound`, `PermissionDenied` below launcher, `FailedPrecondition`, `InvalidArgument`.
    """
    require(actor, dataset.account, Right.LAUNCH)
    if dataset.state != DatasetState.READY:
        raise FailedPrecondition(f"{dataset.dataset_id} is {dataset.state}: only what is READY is counted.")
    connection = dict(counted_models(dataset.account)).get(base_model)
    if connection is None:
        words = f"No connection has the tokenizer of {base_model[:100]!r}. Choose one of the list."
        raise InvalidArgument([Violation("base_model", words)])
    made, is_new = TokenCount.objects.select_for_update().get_or_create(
        dataset=dataset, base_model=base_model, defaults={"connection": connection}
    )
    if not is_new and made.finished_at and made.detail:
        made.finished_at, made.detail, made.failures, made.next_check_at = None, "", 0, timezone.now()
        made.save()
    hint_on_commit(COUNT, made.pk)
    return made


def counted_models(account: Account) -> Iterator[tuple[str, Connection]]:
    """The base models by whose tokenizer can be counted, each with the first connection that has it."""
    counters = [(each, token_counter(each)) for each in usable_connections(account)]
    for model in visible_models([account.pk])[:MOST_MODELS]:
        for connection, counter in counters:
            if counter is not None and counter.has_tokenizer(model.name):
                yield model.name, connection
                break
