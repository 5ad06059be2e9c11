"""An identity provider on 127.0.0.1: OpenID Connect by authlib's server, on Flask, with its own sign-in form.

It speaks as a provider does whom nobody here wrote the other end for: authlib checks the client's secret, the address
to go back to, and PKCE, and signs the id_token. Ours is who there is, which a test changes as it goes on.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, jsonify, redirect, request
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "slipway", "a secret between the two"
FORM = """<!doctype html><title>Provider</title><h1>The provider</h1><form method="post" action="/authorize?{query}">
<label>Name <input name="who" autofocus></label><button>Sign in there</button>
<button name="refuse" value="yes">Rather not</button></form>"""


@dataclass
class Somebody:
    """Somebody whom the provider knows; who is switched off does not get in there."""

    name: str
    groups: list[str] = field(default_factory=list)
    switched_off: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def get_user_id(self) -> str:
        """Which stays, whatever they are called."""
        return f"subject-of-{self.name}"

    def claims(self) -> dict[str, Any]:
        """What is told of them."""
        told = {"sub": self.get_user_id(), "preferred_username": self.name, "email": f"{self.name}@team.example"}
        return told | {"groups": self.groups} | self.more


class Client:
    """This Slipway, as the provider knows it."""

    client_id = CLIENT

    def __init__(self, callback: str) -> None:
        self.callback = callback

    def get_default_redirect_uri(self) -> str:
        return self.callback

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.callback

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_post"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class HandedCode:
    """A code that was handed out, with what authlib asks of it."""

    code: str
    redirect_uri: str
    scope: str
    person: Somebody
    nonce: str
    code_challenge: str
    code_challenge_method: str
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> Any:
        return self.person.more.get("amr")


class IdentityProvider:
    """The provider: `people` by name, `address` once it listens; `silent` lets every answer be 500."""

    def __init__(self, callback: str) -> None:
        self.people: dict[str, Somebody] = {}
        self.client, self.address, self.silent = Client(callback), "", False
        self.key = RSAKey.generate_key(2048, {"kid": "of-this-test", "use": "sig", "alg": "RS256"})
        self.codes: dict[str, HandedCode] = {}
        self.tokens: dict[str, Somebody] = {}

    def add(self, name: str, *groups: str, **more: Any) -> Somebody:
        """Somebody new."""
        self.people[name] = Somebody(name, list(groups), more=more)
        return self.people[name]

    def app(self) -> Flask:
        """What it answers."""
        app = Flask(__name__)
        server = AuthorizationServer(app, lambda client_id: self.client if client_id == CLIENT else None, self._keep)
        server.register_grant(_grant_of(self), [_openid_of(self)(), CodeChallenge(required=True)])

        @app.before_request
        def fail() -> tuple[str, int] | None:
            return ("out of order", 500) if self.silent else None

        @app.get("/.well-known/openid-configuration")
        def configuration() -> Response:
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
            told = {name: f"{self.address}/{end}" for name, end in (ends | {"jwks_uri": "jwks"}).items()}
            ways = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
            return jsonify({"issuer": self.address, **told, **ways})

        @app.get("/jwks")
        def jwks() -> Response:
            return jsonify({"keys": [self.key.as_dict(private=False)]})

        @app.route("/authorize", methods=["GET", "POST"])
        def authorize() -> Any:
            person = self.people.get(request.form.get("who", ""))
            if request.form.get("refuse"):
                asked = request.args
                return redirect(
                    f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
                )
            if person is None or person.switched_off:
                return FORM.format(query=request.query_string.decode().replace("&", "&amp;"))
            grant = server.get_consent_grant(end_user=person)
            return server.create_authorization_response(grant=grant, grant_user=person)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response()

        @app.get("/userinfo")
        def userinfo() -> Any:
            person = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
            return jsonify(person.claims()) if person else ("who?", 401)

        return app

    def _keep(self, token: dict[str, Any], asked: Any) -> None:
        self.tokens[token["access_token"]] = asked.user


def _grant_of(provider: IdentityProvider) -> type:
    class Grant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]

        def save_authorization_code(self, code: str, asked: Any) -> HandedCode:
            told = asked.payload.data
            kept = HandedCode(
                code=code,
                redirect_uri=asked.payload.redirect_uri,
                scope=asked.payload.scope,
                person=asked.user,
                nonce=told.get("nonce", ""),
                code_challenge=told.get("code_challenge", ""),
                code_challenge_method=told.get("code_challenge_method", ""),
            )
            provider.codes[code] = kept
            return kept

        def query_authorization_code(self, code: str, client: Client) -> HandedCode | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, authorization_code: HandedCode) -> None:
            del provider.codes[authorization_code.code]

        def authenticate_user(self, authorization_code: HandedCode) -> Somebody:
            return authorization_code.person

    return Grant


def _openid_of(provider: IdentityProvider) -> type:
    class OpenID(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, asked: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def resolve_client_private_key(self, client: Client) -> RSAKey:
            return provider.key

        def get_client_algorithm(self, client: Client) -> str:
            return "RS256"

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            now = int(time.time())
            return {"iss": provider.address, "aud": CLIENT, "iat": now, "exp": now + 300, "jti": secrets.token_hex(8)}

        def get_compatible_claims(self, asked: Any) -> dict[str, Any]:
            return self.get_client_claims(asked.client)

        def generate_user_info(self, user: Somebody, scope: str) -> dict[str, Any]:
            return user.claims()

    return OpenID


@contextmanager
def identity_provider(callback: str) -> Iterator[IdentityProvider]:
    """A provider that listens for as long as the block runs, and lets people go back to `callback` alone."""
    provider = IdentityProvider(callback)
    listening = make_server("127.0.0.1", 0, provider.app(), threaded=True)
    provider.address = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        listening.shutdown()
        listening.server_close()


def query_of(address: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(address.partition("?")[2]))
