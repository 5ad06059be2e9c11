"""Signed manifests: what was signed is read, anything else is not believed, and the form is that of the field."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.manifests import (
    ModelManifest,
    Unverified,
    key_digest,
    new_signing_key,
    public_half,
    read_manifest,
    sign_manifest,
)

KEY, OTHER_KEY = new_signing_key(), new_signing_key()
PUBLIC = public_half(KEY)
SIGNED = ModelManifest(
    "accounts/team-a/models/mine",
    {"config.json": "ab" * 32, "model.safetensors": "cd" * 32},
    {"launch": "accounts/team-a/rlorTrainerJobs/one", "step": 20},
)


@given(st.dictionaries(st.text(max_size=30), st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=5))
def test_what_was_signed_is_read(digests: dict[str, str]) -> None:
    manifest = ModelManifest("accounts/team-a/models/mine", digests, {"by": "Änne"})
    assert read_manifest(sign_manifest(manifest, key=KEY), public=PUBLIC) == manifest


def test_the_form_is_a_bundle_with_a_statement_of_model_signing() -> None:
    bundle = json.loads(sign_manifest(SIGNED, key=KEY))
    envelope = bundle.pop("dsseEnvelope")
    assert bundle == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key_digest(PUBLIC)}, "tlogEntries": []},
    }
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert json.loads(base64.b64decode(envelope["payload"])) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {
                "name": "accounts/team-a/models/mine",
                "digest": {"sha256": hashlib.sha256(b"\xab" * 32 + b"\xcd" * 32).hexdigest()},
            }
        ],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
            "resources": [
                {"name": "config.json", "algorithm": "sha256", "digest": "ab" * 32},
                {"name": "model.safetensors", "algorithm": "sha256", "digest": "cd" * 32},
            ],
            "provenance": {"launch": "accounts/team-a/rlorTrainerJobs/one", "step": 20},
        },
    }


def changed(change: Callable[[Any], Any]) -> bytes:
    """The signed bundle after the change."""
    bundle = json.loads(sign_manifest(SIGNED, key=KEY))
    change(bundle)
    return json.dumps(bundle).encode()


def another_payload(bundle: Any) -> None:
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload.replace(b"ab" * 32, b"ac" * 32)).decode()


def another_signer(bundle: Any) -> None:
    other = json.loads(sign_manifest(SIGNED, key=OTHER_KEY))
    bundle["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no signed manifest"),
    "no JSON": (b"{", "no signed manifest"),
    "deep": (b"[" * 100_000, "no signed manifest"),
    "a list": (b"[]", "no signed manifest"),
    "half": (changed(lambda bundle: bundle.pop("dsseEnvelope")), "no signed manifest"),
    "unsigned": (changed(lambda bundle: bundle["dsseEnvelope"].update(signatures=[])), "no signed manifest"),
    "no base64": (changed(lambda bundle: bundle["dsseEnvelope"].update(payload="ä")), "no signed manifest"),
    "another form": (changed(lambda bundle: bundle.update(mediaType="text/plain")), "form that is not known"),
    "another payload": (changed(another_payload), "changed after it was signed"),
    "another signer": (changed(another_signer), "changed after it was signed"),
    "another key": (sign_manifest(SIGNED, key=OTHER_KEY), "signed by another key"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_was_not_signed_so_is_not_believed(case: str) -> None:
    content, why = HOSTILE[case]
    with pytest.raises(Unverified, match=why):
        read_manifest(content, public=PUBLIC)


@pytest.mark.parametrize("key", ["", "nonsense", PUBLIC])
def test_what_is_no_private_key_signs_nothing(key: str) -> None:
    with pytest.raises(ValueError):
        sign_manifest(SIGNED, key=key)
