"""Secrets, passwords and tokens, as Umami v2 makes them (Umami v2 REST behaviour §1.3) and as Dashi does."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import string
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import orjson

from app.errors import Invalid
from app.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT, _IV, _TAG = 64, 16, 16
_ITERATIONS = 10_000
_MAX_TOKEN = 4096
_LOGIN_SECONDS = 30 * 86_400
_LOGIN_AUDIENCE = "dashi:login"
_BCRYPT_ROUNDS = 10
MAX_PASSWORD_BYTES = 72  # what bcrypt reads
_ALPHANUMERIC = string.ascii_letters + string.digits
# Tells keys from login tokens, and lets scanners of published code find them.
API_KEY_PREFIX = "dashi_"
_ALGORITHMS = ["HS256", "HS384", "HS512"]
_HS256 = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode()  # needs no padding
# Claims that say when or for what a token holds: PyJWT looks at them.
_CONDITIONS = frozenset(("aud", "exp", "iss", "jti", "nbf", "sub"))


def server_secret(app_secret: str) -> str:
    """S: the lower-case hex SHA-512 of APP_SECRET, used as that text wherever something is signed or salted."""
    return hashlib.sha512(app_secret.encode()).hexdigest()


def load_app_secret(settings: Settings) -> str:
    """APP_SECRET, or the secret generated into DATA_DIR on first start (readable by its owner only)."""
    if settings.app_secret is not None:
        return settings.app_secret.get_secret_value()
    file = settings.data_dir / "secret"
    if not file.exists():
        _write_secret(file, secrets.token_hex(32))
    secret = file.read_text().strip()
    if not secret:
        raise Invalid(f"{file} is empty: put the secret back, or remove the file to begin with a new one")
    return secret


def _write_secret(file: Path, secret: str) -> None:
    """Write it whole or not at all; of two processes that start together one wins and both read the same."""
    draft = file.with_name(f"secret.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(secret)
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):  # the other process was first
        os.link(draft, file)
    draft.unlink()


def random_api_key() -> str:
    """A new API key, of 256 random bits."""
    return API_KEY_PREFIX + secrets.token_urlsafe(32)


def random_code(length: int) -> str:
    """A text of random letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


def digest(secret: str) -> str:
    """What is kept of a random secret: its hex SHA-256. (Passwords, which people choose, are hashed slowly instead.)"""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def hint(api_key: str) -> str:
    """The first characters of an API key, by which people tell theirs apart; 37 unknown ones remain."""
    return api_key[: len(API_KEY_PREFIX) + 6]


def random_password() -> str:
    return secrets.token_urlsafe(12)


def hash_password(password: str) -> str:
    return bcrypt.hashpw(_bcrypt_input(password), bcrypt.gensalt(_BCRYPT_ROUNDS)).decode()


def verify_password(password: str, hashed: str) -> bool:
    """Whether the password has this bcrypt hash. `$2a$` and `$2b$` both occur in databases that moved here."""
    try:
        return bcrypt.checkpw(_bcrypt_input(password), hashed.encode())
    except ValueError:  # the stored text is no bcrypt hash
        return False


def _bcrypt_input(password: str) -> bytes:
    # Other implementations cut what bcrypt does not read silently where this library raises. NUL would end the text.
    return password.encode("utf-8", "replace").replace(b"\0", b"")[:MAX_PASSWORD_BYTES]


class Keys:
    """All that is signed with the server's secret S."""

    def __init__(self, app_secret: str) -> None:
        self.secret = server_secret(app_secret)
        self._key = self.secret.encode()
        self._login_key = hmac.digest(self.secret.encode(), b"dashi login", "sha256")
        # Deriving the AES key takes milliseconds, and a client sends the same token with each request.
        self._opened = lru_cache(maxsize=4096)(self._open)

    def sign(self, claims: dict[str, Any]) -> str:
        """A plain HS256 JWT with S and `iat` in seconds: share tokens and visit caches.

        By hand, because every hit is answered with one: 4 µs, where PyJWT takes 30.
        """
        return _signed({"iat": int(time.time()), **claims}, self._key)

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a plain JWT signed with S, None if it is not one."""
        if not token or len(token) > _MAX_TOKEN:
            return None
        claims = self._plainly_signed(token)
        if claims is not None:
            return claims
        return _decoded(token, self._key, _ALGORITHMS, options={"verify_aud": False, "verify_iat": False})

    def _plainly_signed(self, token: str) -> dict[str, Any] | None:
        """The claims of a token as `sign` makes it, which hits bring along; None leaves the answer to PyJWT."""
        header, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        if header != _HS256 or not rest.isascii():
            return None
        if not hmac.compare_digest(_signature(payload, self._key), signature):
            return None
        try:
            claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except ValueError:  # signed with S all the same: what else it may be is not decided here
            return None
        return claims if isinstance(claims, dict) and _CONDITIONS.isdisjoint(claims) else None

    def login_token(self, user_id: str, fingerprint: str) -> str:
        """Dashi's own login token: a JWT of 30 days that ends with the password it was made for."""
        now = int(time.time())
        claims = {
            "userId": user_id,
            "pwd": fingerprint,
            "aud": _LOGIN_AUDIENCE,
            "iat": now,
            "exp": now + _LOGIN_SECONDS,
        }
        return _signed(claims, self._login_key)

    def fingerprint(self, password_hash: str) -> str:
        """What a login's or a share's token remembers of a password's hash."""
        return hmac.digest(self._login_key, password_hash.encode(), "sha256").hex()[:16]

    def hidden(self, text: str) -> str:
        """A text as it can be recognised by whoever has the secret, and read by nobody: 32 hexadecimal digits."""
        return hmac.digest(self._login_key, text.encode("utf-8", "replace"), "sha256").hex()[:32]

    def login_claims(self, token: str) -> dict[str, Any] | None:
        """The claims of either kind of login token, with `userId`; None if it is neither."""
        if not token or len(token) > _MAX_TOKEN:
            return None
        claims = self._own(token) if token.count(".") == 2 else self._opened_claims(token)
        return claims if claims and isinstance(claims.get("userId"), str) else None

    def _own(self, token: str) -> dict[str, Any] | None:
        # A clock that is set back must not log everybody out; `exp` alone bounds how long a token holds.
        unhurried = {"verify_iat": False}
        return _decoded(token, self._login_key, ["HS256"], audience=_LOGIN_AUDIENCE, options=unhurried)

    def _opened_claims(self, token: str) -> dict[str, Any] | None:
        """The claims of an encrypted token. Its JWT is verified each time, so that an `exp` in it is honoured."""
        opened = self._opened(token)
        return self.verify(opened) if opened else None

    def _open(self, token: str) -> str | None:
        try:
            # As Umami's decoder: url-safe and unpadded texts are accepted too.
            raw = base64.b64decode(
                token.replace("-", "+").replace("_", "/") + "=" * (-len(token) % 4), validate=True
            )
        except (binascii.Error, ValueError):
            return None
        salt, iv, tag = raw[:_SALT], raw[_SALT : _SALT + _IV], raw[_SALT + _IV : _SALT + _IV + _TAG]
        sealed = raw[_SALT + _IV + _TAG :]
        if not sealed:
            return None
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher(salt).decrypt(iv, sealed + tag, None).decode()
        except (InvalidTag, UnicodeDecodeError):
            return None

    def seal(self, claims: dict[str, Any]) -> str:
        """A login token as Umami and its API client make it: encrypted, without expiry."""
        salt, iv = os.urandom(_SALT), os.urandom(_IV)
        sealed = self._cipher(salt).encrypt(iv, self.sign(claims).encode(), None)
        return base64.b64encode(salt + iv + sealed[-_TAG:] + sealed[:-_TAG]).decode()

    def _cipher(self, salt: bytes) -> AESGCM:
        # Imported with the first token that is encrypted, or that PyJWT checks: it takes 9 MiB.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hashlib.pbkdf2_hmac("sha512", self._key, salt, _ITERATIONS, 32))


def _signed(claims: dict[str, Any], key: bytes) -> str:
    payload = _base64url(orjson.dumps(claims))
    return f"{_HS256}.{payload}.{_signature(payload, key)}"


def _signature(payload: str, key: bytes) -> str:
    return _base64url(hmac.digest(key, f"{_HS256}.{payload}".encode(), "sha256"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(token: str, key: bytes, algorithms: list[str], **checks: Any) -> dict[str, Any] | None:
    """The claims of a JWT, None if it is none or does not hold; `checks` as PyJWT names them."""
    import jwt

    try:
        return dict(jwt.decode(token, key, algorithms, **checks))
    except jwt.PyJWTError:
        return None
