"""The account that a key is for; the SDK asks, and requires that there is exactly one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from api.listing import Listing, Sortable, answer_list
from api.schema import answers_list, answers_one
from api.views import ResourceView
from wire.times import rfc3339


class AccountSerializer(serializers.Serializer[Account]):
    """An account."""

    name = serializers.CharField(read_only=True)
    displayName = serializers.CharField(read_only=True)
    createTime = serializers.DateTimeField(read_only=True)

    def to_representation(self, account: Account) -> dict[str, Any]:
        """As the wire writes it."""
        return {
            "name": account.name,
            "displayName": account.display_name,
            "createTime": rfc3339(account.created_at),
        }


ACCOUNTS = Listing("accounts", Account, AccountSerializer, {}, {"name": Sortable(("account_id",))}, "name")


class AccountsView(ResourceView):
    """Accounts."""

    @extend_schema(**answers_list(ACCOUNTS))
    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002
        """The one account that the key is for."""
        return answer_list(self, lambda: Account.objects.filter(pk=self.key.account_id), ACCOUNTS)


class AccountView(ResourceView):
    """One account."""

    @extend_schema(**answers_one("GetAccount", AccountSerializer))
    def get(self, request: Request, account: str) -> Response:  # noqa: ARG002
        """The key's account; there is no other for it."""
        return self.answer(AccountSerializer, self.own_account(account))
