"""The three signatures of webhook deliveries, and the public keys to check two of them.

- Static webhooks: Standard Webhooks ``v1``, an HMAC with the webhook's own secret; one for each secret that
  is still valid, so that a rotation loses no delivery.
- Dynamic webhooks: ``v1a``, Ed25519 over the same text, as the live service has been seen to do, or an RS256
  JWT, as its documentation says.
"""

import base64
import hashlib
import hmac
import json
from functools import cached_property
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from emulator.state import StateFile
from emulator.wire import base64url

ISSUER: Final = "https://generativelanguage.googleapis.com"

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every such secret begins with

_ED25519_KID: Final = "emulator-ed25519"
_RSA_KID: Final = "emulator-rsa"

_JWT_LIFE_S: Final = 300
"""As long as a receiver may accept the time stamp of a delivery."""


def signed_text(message_id: str, timestamp: int, body: bytes) -> bytes:
    """What ``v1`` and ``v1a`` sign."""
    return f"{message_id}.{timestamp}.".encode() + body


def sign_v1(secrets: list[str], text: bytes) -> str:
    """The ``webhook-signature`` header of a static webhook: one signature for each secret."""
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
        digest = hmac.new(key, text, hashlib.sha256).digest()
        signatures.append(f"v1,{base64.b64encode(digest).decode()}")
    return " ".join(signatures)


class Signer:
    """Holds the service's own keys.

    Args:
        state: Where the private keys are kept; receivers cache the public ones across restarts.
    """

    def __init__(self, state: StateFile) -> None:
        self._state = state
        self._kept: dict[str, str] = state.load("keys")

    @cached_property
    def _ed25519(self) -> Ed25519PrivateKey:
        if "ed25519" in self._kept:
            key = load_pem_private_key(self._kept["ed25519"].encode(), password=None)
            assert isinstance(key, Ed25519PrivateKey)
            return key
        key = Ed25519PrivateKey.generate()
        self._keep("ed25519", key)
        return key

    @cached_property
    def _rsa(self) -> RSAPrivateKey:
        # Made when first needed: it takes a noticeable time, and most emulators sign no JWT.
        if "rsa" in self._kept:
            key = load_pem_private_key(self._kept["rsa"].encode(), password=None)
            assert isinstance(key, RSAPrivateKey)
            return key
        key = generate_private_key(public_exponent=65_537, key_size=2_048)
        self._keep("rsa", key)
        return key

    def _keep(self, name: str, key: Ed25519PrivateKey | RSAPrivateKey) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._state.save("keys", name, pem.decode())

    def jwks(self) -> dict[str, Any]:
        """The public keys, as ``/.well-known/jwks.json`` serves them."""
        raw = self._ed25519.public_key().public_bytes_raw()
        ed25519 = {"kty": "OKP", "crv": "Ed25519", "kid": _ED25519_KID, "use": "sig", "alg": "EdDSA"}
        rsa = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._rsa.public_key()))
        return {
            "keys": [
                {**ed25519, "x": base64url(raw)},
                {**rsa, "kid": _RSA_KID, "use": "sig", "alg": "RS256"},
            ]
        }

    def sign_v1a(self, text: bytes) -> str:
        """The ``webhook-signature`` header of a dynamic webhook as the live service sends it."""
        return f"v1a,{base64.b64encode(self._ed25519.sign(text)).decode()}"

    def sign_jwt(self, body: bytes, *, message_id: str, timestamp: int, audience: str) -> str:
        """The ``webhook-signature`` header of a dynamic webhook as the documentation has it.

        The claims beside the registered ones are unknown; the event's data and a digest of the body stand in.
        """
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "iat": timestamp,
            "exp": timestamp + _JWT_LIFE_S,
            "jti": message_id,
            "data": json.loads(body)["data"],
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        return jwt.encode(claims, self._rsa, algorithm="RS256", headers={"kid": _RSA_KID})
