"""Ed25519 keys: the station makes its own at first start; trusted public keys are files in `trust/`."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vocabulary import ModelError, SettingsError


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its short name: the first 16 hex digits of the raw public key."""

    id: str
    private: Ed25519PrivateKey

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""
        return self.private.sign(data)

    @property
    def public(self) -> bytes:
        """32 raw bytes."""
        return raw(self.private.public_key())


def station_key(state: Path) -> SigningKey:
    """The key in `keys/station.pem`, made and put into `trust/` when there is none yet. Raises SettingsError."""
    path = state / "keys" / "station.pem"
    try:
        if not path.exists():
            make(path, state / "trust")
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as err:
        raise SettingsError(
            f"{path}: {err}", "restore the station's key, or remove the file to make a new one"
        ) from err
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsError(f"{path}: not an Ed25519 key", "restore the station's key")
    return SigningKey(raw(private.public_key()).hex()[:16], private)


def make(path: Path, trust: Path) -> None:
    """A new key, readable by its owner only, and its public half among the trusted."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    trust.mkdir(parents=True, exist_ok=True)
    public = raw(private.public_key())
    (trust / f"{public.hex()[:16]}.pub").write_text(public.hex() + "\n", encoding="ascii")
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, pem)
    finally:
        os.close(file)


def raw(public: Ed25519PublicKey) -> bytes:
    """32 bytes."""
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def verify(public_hex: str, signature: bytes, data: bytes) -> bool:
    """The signature is of this key over these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex)).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def trusted(trust: Path) -> set[str]:
    """Raw public keys (hex) of a trust folder. Raises ModelError when there are none."""
    keys = {path.read_text(encoding="ascii").strip() for path in sorted(trust.glob("*.pub"))}
    if not keys:
        raise ModelError(f"trust folder {trust}: no public keys", "put the signer's .pub file there")
    return keys
