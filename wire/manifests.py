"""A signed manifest of a model's files, in the form of OpenSSF model signing: `model_signing verify key` reads it, too.

    bundle of Sigstore { verificationMaterial: the key's digest, dsseEnvelope: { payload: in-toto statement, sig } }

The statement's subject is the model, with a digest over those of its files; its predicate names each file with its
sha256, and beside that where the model came from. Signed with ECDSA on P-256, the curve that this form knows best: it
has none of Ed25519. Source: the model_signing project's signature format, v1.0; DSSE v1; in-toto Statement v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

LARGEST_MANIFEST = 16_000_000
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_SERIALIZATION = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
_SHA256 = "sha256"


class Unverified(Exception):
    """A manifest that cannot be believed; the message is for a person."""


@dataclass(frozen=True)
class ModelManifest:
    """What is said of a model: its resource name, the sha256 of each of its files by path, and where it came from."""

    name: str
    digests: Mapping[str, str]
    provenance: Mapping[str, Any]


def new_signing_key() -> str:
    """A private key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_half(key: str) -> str:
    """The public key of a private one, both as PEM. Errors: `ValueError`."""
    return _pem(_private(key).public_key())


def key_digest(public: str) -> str:
    """What a public key is known by: the sha256 of its PEM, in hex. Errors: `ValueError`."""
    return hashlib.sha256(_pem(_public(public)).encode()).hexdigest()


def sign_manifest(manifest: ModelManifest, *, key: str) -> bytes:
    """The file that stands beside the model. Errors: `ValueError` for what is no key."""
    private = _private(key)
    payload = json.dumps(_statement(manifest), sort_keys=True).encode()
    signature = private.sign(_encoded(payload), ec.ECDSA(hashes.SHA256()))
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key_digest(_pem(private.public_key()))}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, indent=1).encode()


def read_manifest(content: bytes, *, public: str) -> ModelManifest:
    """What was signed, where that key did. Errors: `Unverified`; `ValueError` for what is no key."""
    key, known = _public(public), key_digest(public)
    try:
        bundle = json.loads(content)
        envelope = bundle["dsseEnvelope"]
        hint = bundle["verificationMaterial"]["publicKey"]["hint"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        form = (bundle["mediaType"], envelope["payloadType"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, binascii.Error):
        raise Unverified("It is no signed manifest of a model.") from None
    if form != (_BUNDLE, _PAYLOAD):
        raise Unverified("It is signed in a form that is not known here.")
    if hint != known:
        raise Unverified(f"It was signed by another key: by {str(hint)[:64]}, not by {known}.")
    try:
        key.verify(signature, _encoded(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Unverified("Its signature is not right: it was changed after it was signed.") from None
    return _read_statement(json.loads(payload))


def _statement(manifest: ModelManifest) -> dict[str, Any]:
    listed = sorted(manifest.digests.items())
    return {
        "_type": _STATEMENT,
        "subject": [{"name": manifest.name, "digest": {_SHA256: _digest_of([digest for _, digest in listed])}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "serialization": _SERIALIZATION,
            "resources": [{"name": path, "algorithm": _SHA256, "digest": digest} for path, digest in listed],
            "provenance": dict(manifest.provenance),
        },
    }


def _read_statement(said: Any) -> ModelManifest:
    """What our key signed is of our making, unless another program had the key."""
    try:
        (subject,), predicate = said["subject"], said["predicate"]
        resources = [(each["name"], each["algorithm"], each["digest"]) for each in predicate["resources"]]
        whole = _digest_of([digest for _, _, digest in resources])
        form = (said["_type"], said["predicateType"], {algorithm for _, algorithm, _ in resources} | {_SHA256})
        if form != (_STATEMENT, _PREDICATE, {_SHA256}) or subject["digest"][_SHA256] != whole:
            raise ValueError
        digests = {str(path): str(digest) for path, _, digest in resources}
        return ModelManifest(str(subject["name"]), digests, dict(predicate.get("provenance", {})))
    except (ValueError, KeyError, TypeError):
        raise Unverified("What it says of the model does not fit together.") from None


def _digest_of(digests: list[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _encoded(payload: bytes) -> bytes:
    """The pre-authentication encoding of DSSE."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD.encode(), len(payload), payload)


def _private(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != ec.SECP256R1.name:
        raise ValueError("use a private key on the curve P-256")
    return key


def _public(pem: str) -> ec.EllipticCurvePublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != ec.SECP256R1.name:
        raise ValueError("use a public key on the curve P-256")
    return key


def _pem(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
