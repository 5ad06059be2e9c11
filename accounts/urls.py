"""URLs of the accounts app. Of allauth's pages only those that need no mail server and open no sign-up."""

from __future__ import annotations

from allauth.account import views as allauth
from django.urls import path

from accounts.views.invitations import invitation
from accounts.views.standing import switch_account

urlpatterns = [
    path("sign-in", allauth.login, name="account_login"),
    path("sign-out", allauth.logout, name="account_logout"),
    path("password", allauth.password_change, name="account_change_password"),
    path("inactive", allauth.account_inactive, name="account_inactive"),
    path("invitations/<str:token>", invitation, name="invitation"),
    path("account", switch_account, name="switch_account"),
]
