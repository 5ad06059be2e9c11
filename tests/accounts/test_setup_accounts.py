"""`manage setup_accounts`: the first start, and every later one."""

from __future__ import annotations

import io
import re
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import Account, AuditEntry, Membership, User
from tests.makers import make_user


def run() -> str:
    output = io.StringIO()
    call_command("setup_accounts", stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_the_first_start_makes_accounts_and_admin_and_prints_the_password_once(settings: Settings) -> None:
    settings.SLIPWAY_ADMIN_USER, settings.SLIPWAY_ADMIN_PASSWORD = "harbour", ""
    first, second = run(), run()

    found = re.fullmatch(r"Sign in as harbour with the password (\S+) .*\n", first)
    assert found and second == ""
    admin = User.objects.get()
    assert admin.check_password(found[1]) and admin.is_superuser and admin.is_staff
    assert set(Membership.objects.values_list("account__account_id", "role")) == {
        ("fireworks", "admin"),
        ("local", "admin"),
    }
    assert Account.objects.get(account_id="fireworks").display_name == "Fireworks"
    assert found[1] not in str(list(AuditEntry.objects.values()))


@pytest.mark.django_db
def test_a_given_password_is_used_and_never_printed_and_a_changed_one_stays(settings: Settings) -> None:
    settings.SLIPWAY_ADMIN_PASSWORD = "given by the operator"
    assert run() == ""
    admin = User.objects.get()
    assert admin.check_password("given by the operator")

    admin.set_password("chosen since")
    admin.save()
    settings.SLIPWAY_ADMIN_USER = "somebody-else"
    assert run() == ""
    assert [user.username for user in User.objects.all()] == ["admin"]
    assert User.objects.get().check_password("chosen since")


@pytest.mark.django_db
def test_a_plain_user_is_never_made_admin_by_a_start() -> None:
    make_user(username="Admin")
    with pytest.raises(CommandError, match="Set SLIPWAY_ADMIN_USER"):
        run()
    assert not User.objects.filter(is_superuser=True).exists()


@pytest.mark.django_db(transaction=True)
def test_two_starts_at_once_make_one_admin(settings: Settings) -> None:
    settings.SLIPWAY_ADMIN_PASSWORD = ""
    together, said = threading.Barrier(2), []

    def start() -> None:
        try:
            together.wait(60)
            said.append(run())
        except CommandError as error:
            said.append(f"refused: {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(line[:10] for line in said) == ["", "Sign in as"]
    assert User.objects.count() == 1 and Account.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "has"), [("sesame", "6 characters"), ("ab" * 20, "only 2 different characters")])
def test_a_weak_secret_key_is_refused_at_first_and_said_later_and_never_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str], key: str, has: str
) -> None:
    strong, settings.SECRET_KEY = settings.SECRET_KEY, key
    with pytest.raises(CommandError, match=f"SLIPWAY_SECRET_KEY has {has}.*openssl rand -hex 32") as refused:
        run()
    assert not User.objects.exists() and key not in str(refused.value)
    settings.SECRET_KEY = strong
    run()
    assert "SLIPWAY_SECRET_KEY" not in capsys.readouterr().err
    settings.SECRET_KEY = key
    run()
    assert f"SLIPWAY_SECRET_KEY has {has}" in capsys.readouterr().err
