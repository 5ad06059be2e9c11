"""Sign-in in a browser: by an identity provider on another origin, with codes of an app and a passkey after it.

The web server is a process as `./run` starts it. What is not real is who the provider is: it is ours, on authlib, and
stands behind its own address and form as somebody else's would. The authenticator is Chromium's own virtual one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from tests.databases import new_database
from tests.e2e.conftest import PATIENCE_MS, ROOT
from tests.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider
from tests.launches.gateway_parts import front_door


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider("") as provider:
        yield provider


@pytest.fixture
def address(provider: IdentityProvider, tmp_path: Path) -> Iterator[str]:
    """Of a web server of the provider's people, which demands second factors of admins.

    Its host is a name, since passkeys are given for no number.
    """
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with new_database(f"slipway_provider_{os.getpid()}", tables=True) as database_url:
        told = {
            "DATABASE_URL": database_url,
            "SLIPWAY_HOME": str(tmp_path),
            "SLIPWAY_OIDC_ISSUER": provider.address,
            "SLIPWAY_OIDC_CLIENT_ID": CLIENT,
            "SLIPWAY_OIDC_CLIENT_SECRET_FILE": str(secret),
            "SLIPWAY_OIDC_NAME": "Works",
            "SLIPWAY_OIDC_ROLES": "leads=local:admin",
            "SLIPWAY_MFA_ROLES": "admin",
        }
        prepare = [sys.executable, "-m", "embedded.prepare"]
        subprocess.run(prepare, cwd=ROOT, env=os.environ | told, check=True, stdout=subprocess.PIPE)
        with front_door(log=tmp_path / "log", **told) as port:
            provider.client.callback = f"http://localhost:{port}/sign-in/oidc/answer"
            yield f"http://localhost:{port}"


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a browser that nobody is signed in with, and that has a fingerprint reader."""
    context = browser.new_context(base_url=address)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    told = {"isUserVerified": True, "automaticPresenceSimulation": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": kind | told})
    yield page
    context.close()


def test_the_provider_lets_in_with_a_second_factor_that_is_set_up_here(
    visitor: Page, provider: IdentityProvider
) -> None:
    page, anna = visitor, provider.add("anna", "leads")
    page.goto("/members")
    enter(page, "anna")
    expect(page.get_by_text("Your role here asks for a second factor")).to_be_visible()

    page.get_by_role("link", name="Set up an app").click()
    secret = page.locator("code.break-all").inner_text()
    page.get_by_label("Authenticator code").fill(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.goto("/members")
    expect(page.get_by_role("heading", name="Members")).to_be_visible()

    page.goto("/security/passkeys/add")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("Passkey Laptop")).to_be_visible()

    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()  # it is no door past the provider
    expect(page.get_by_text("Sign in by Works: your passkey is asked for after that.")).to_be_visible()
    enter(page, "anna")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_label("User menu of anna")).to_be_visible()

    sign_out(page)
    anna.groups = []
    enter(page, "anna")
    expect(page.get_by_text("none of your groups")).to_be_visible()


def enter(page: Page, name: str) -> None:
    """Sign in at the provider, whose form is at an origin of its own."""
    page.get_by_role("button", name="Sign in by Works").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Sign in there").click()


def sign_out(page: Page) -> None:
    """By the form, and back to the page of sign-in."""
    page.goto("/sign-out")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.goto("/sign-in")
