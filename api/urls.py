"""URLs of the API that belong to no other app, below /v1/."""

from __future__ import annotations

from django.urls import path

from api.accounts import AccountsView, AccountView

urlpatterns = [
    path("accounts", AccountsView.as_view(), name="api_accounts"),
    path("accounts/<str:account>", AccountView.as_view(), name="api_account"),
]
