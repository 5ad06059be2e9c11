"""An authenticator that keeps passkeys, in memory: what a browser and a laptop do of WebAuthn, with real keys."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256

PRESENT_AND_VERIFIED, WITH_KEY = 0x05, 0x40


class Passkey:
    """One passkey, for one address; made by the options of a page."""

    def __init__(self, origin: str) -> None:
        self.origin, self.identifier = origin, secrets.token_bytes(16)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.place, self.user = b"", ""

    def make(self, options: dict[str, Any]) -> str:
        """The credential that the browser posts when it is added."""
        asked = options["publicKey"]
        self.place, self.user = sha256(asked["rp"]["id"].encode()).digest(), asked["user"]["id"]
        key = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]
        public = cbor.encode(dict(key))
        kept = bytes(16) + len(self.identifier).to_bytes(2, "big") + self.identifier + public
        data = self._data(PRESENT_AND_VERIFIED | WITH_KEY) + kept
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._said("webauthn.create", asked["challenge"])
        return self._credential({"clientDataJSON": text_of(said), "attestationObject": text_of(attestation)})

    def use(self, options: dict[str, Any]) -> str:
        """The credential that the browser posts when it is asked for."""
        said = self._said("webauthn.get", options["publicKey"]["challenge"])
        data = self._data(PRESENT_AND_VERIFIED)
        signature = self.key.sign(data + sha256(said).digest(), ec.ECDSA(SHA256()))
        answer = {"clientDataJSON": text_of(said), "authenticatorData": text_of(data), "signature": text_of(signature)}
        return self._credential(answer | {"userHandle": self.user})

    def _data(self, flags: int) -> bytes:
        return self.place + bytes([flags]) + bytes(4)

    def _said(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _credential(self, response: dict[str, str]) -> str:
        name = text_of(self.identifier)
        told = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return json.dumps(told | {"clientExtensionResults": {"credProps": {"rk": True}}})


def text_of(data: bytes) -> str:
    """Base64 for URLs, without its padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
