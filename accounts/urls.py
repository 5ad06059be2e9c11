"""URLs of the accounts app. Of allauth's pages only those that need no mail server and open no sign-up."""

from __future__ import annotations

from allauth.account import views as allauth
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from django.urls import path

from accounts.views.account_settings import account_settings
from accounts.views.audit import audit, audit_csv
from accounts.views.invitations import invitation
from accounts.views.keys import key_revoke, keys
from accounts.views.members import invitation_revoke, member_remove, member_role, members
from accounts.views.password import password
from accounts.views.security import (
    add_passkey,
    new_recovery_codes,
    recovery_codes,
    remove_passkey,
    security,
    session_end,
    sessions_end,
    set_up_app,
)
from accounts.views.signing_in import (
    provider_answers,
    second_factor,
    second_factor_again,
    sign_in,
    sign_in_again,
    sign_in_by_provider,
    sign_out,
)
from accounts.views.standing import switch_account

urlpatterns = [
    path("sign-in", sign_in, name="account_login"),
    path("sign-in/again", sign_in_again, name="account_reauthenticate"),
    path("sign-in/again/code", second_factor_again, name="mfa_reauthenticate"),
    path("sign-in/again/passkey", passkeys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("sign-in/passkey", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/code", second_factor, name="mfa_authenticate"),
    path("sign-in/<slug:provider_id>", sign_in_by_provider, name="openid_connect_login"),
    path("sign-in/<slug:provider_id>/answer", provider_answers, name="openid_connect_callback"),
    path("sign-out", sign_out, name="account_logout"),
    path("security", security, name="mfa_index"),
    path("security/app", set_up_app, name="mfa_activate_totp"),
    path("security/app/remove", app.deactivate_totp, name="mfa_deactivate_totp"),
    path("security/passkeys/add", add_passkey, name="mfa_add_webauthn"),
    path("security/passkeys/<int:pk>/remove", remove_passkey, name="mfa_remove_webauthn"),
    path("security/codes", recovery_codes, name="mfa_view_recovery_codes"),
    path("security/codes/new", new_recovery_codes, name="mfa_generate_recovery_codes"),
    path("security/sessions/end", sessions_end, name="sessions_end"),
    path("security/sessions/<int:number>/end", session_end, name="session_end"),
    path("password", password, name="account_change_password"),
    path("inactive", allauth.account_inactive, name="account_inactive"),
    path("invitations/<str:token>", invitation, name="invitation"),
    path("account", switch_account, name="switch_account"),
    path("account/settings", account_settings, name="account_settings"),
    path("members", members, name="members"),
    path("members/<int:number>/role", member_role, name="member_role"),
    path("members/<int:number>/remove", member_remove, name="member_remove"),
    path("members/invitations/<int:number>/revoke", invitation_revoke, name="invitation_revoke"),
    path("keys", keys, name="keys"),
    path("keys/<int:number>/revoke", key_revoke, name="key_revoke"),
    path("audit", audit, name="audit"),
    path("audit.csv", audit_csv, name="audit_csv"),
]
