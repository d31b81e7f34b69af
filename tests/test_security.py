import datetime as dt
from pathlib import Path

import bcrypt
import jwt
import pytest

from app.errors import Invalid
from app.security import Keys, hash_password, load_app_secret, server_secret, verify_password
from app.settings import Settings

# The conformance vectors of Umami v2 REST behaviour §6.1, made by a running 2.19.0.
SECRET = "test-secret-123"
S = (
    "7ca46d2424a724d6512e0faf9d82d8b25a452905231e6c8da9e2fc5289f5a50e"
    "06b1e315bcafb6ffbadfdb710d7dfd1bf51cdeab8b1362bead7aad0cee9997c8"
)
ADMIN = "41e2b680-648e-4b09-bcd7-3e2b10c06264"
TOKEN = (
    "PbXamkJkF/LzjBlt3DfKSh3w/KeX57u3ZTk61EF1aErQeV5uoarQseYscm/kDPBhOao5HbLddrCjULvJu0v6Yx9utgIGcHn3F398FTnJkgCuhqnY"
    "bSXxMwM13fJBpljnjHbTppNAAvmsE3eQgOl79VIDob+r+0ZfhvRsX4sdRnh62c/2fCz0MJuXJv7wUOHB6K0cck/dEuoXXz5sBFkt19+DY5LRSRd8"
    "V5p8zf9V60veBG9hRWOVIZs+1NSspz9sebTDsb6G1Sbmkguwlxr/YqPKJhnEB0OCbzpwdsLqPO5lnQ7ghSEPd7Hwn8LHSjHGInqS7/lY3SmEJMZr"
    "Aj93PxNDiTTRAoUtvjKegsxI93s1zop31S/srQMBulEx"
)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(SECRET)


def test_secret_vector() -> None:
    assert server_secret(SECRET) == S


def test_token_of_a_running_umami_is_opened(keys: Keys) -> None:
    claims = keys.login_claims(TOKEN)
    assert claims is not None
    assert (claims["userId"], claims["role"]) == (ADMIN, "admin")


@pytest.mark.parametrize("form", [TOKEN.replace("+", "-").replace("/", "_"), TOKEN.rstrip("=")])
def test_token_in_other_base64_spellings(keys: Keys, form: str) -> None:
    claims = keys.login_claims(form)
    assert claims is not None
    assert claims["userId"] == ADMIN


def test_sealed_token_is_opened(keys: Keys) -> None:
    claims = keys.login_claims(keys.seal({"userId": ADMIN}))
    assert claims is not None
    assert claims["userId"] == ADMIN


def test_sealed_token_honours_an_end(keys: Keys) -> None:
    assert keys.login_claims(keys.seal({"userId": ADMIN, "exp": 1_000_000_000})) is None


def _flipped(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.parametrize("at", [0, 90, 110, 200, -5])
def test_tampered_token_is_refused(keys: Keys, at: int) -> None:
    assert keys.login_claims(_flipped(TOKEN, at if at >= 0 else len(TOKEN) + at)) is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "=" * 100, "A" * 5000, "....", TOKEN[:120]])
def test_nonsense_is_refused(keys: Keys, token: str) -> None:
    assert keys.login_claims(token) is None
    assert keys.verify(token) is None


def test_token_of_another_secret_is_refused(keys: Keys) -> None:
    other = Keys("another secret")
    assert keys.login_claims(other.seal({"userId": ADMIN})) is None
    assert keys.login_claims(other.login_token(ADMIN, "x")) is None
    assert keys.verify(other.sign({"websiteId": ADMIN})) is None


def test_unsigned_token_is_refused(keys: Keys) -> None:
    assert keys.verify(jwt.encode({"websiteId": ADMIN}, None, "none")) is None
    assert keys.login_claims(jwt.encode({"userId": ADMIN, "aud": "dashi:login"}, None, "none")) is None


def test_plain_token_is_a_jwt_of_the_secret(keys: Keys) -> None:
    claims = {"websiteId": ADMIN, "iat": 1_700_000_000}
    assert jwt.decode(keys.sign(claims), S, ["HS256"]) == claims
    assert keys.verify(keys.sign(claims)) == claims
    # As other libraries write it: with a header of their own, or another hash.
    assert keys.verify(jwt.encode(claims, S, "HS256", headers={"kid": "1"})) == claims
    assert keys.verify(jwt.encode(claims, S, "HS512")) == claims


@pytest.mark.parametrize("at", [5, 45, -3])
def test_tampered_plain_token_is_refused(keys: Keys, at: int) -> None:
    token = keys.sign({"websiteId": ADMIN})
    assert keys.verify(_flipped(token, at if at >= 0 else len(token) + at)) is None


def test_plain_token_honours_its_conditions(keys: Keys) -> None:
    assert keys.verify(keys.sign({"websiteId": ADMIN, "exp": 1_000_000_000})) is None
    assert keys.verify(keys.sign({"websiteId": ADMIN, "nbf": 4_000_000_000})) is None
    assert keys.verify(keys.sign({"websiteId": ADMIN, "exp": 4_000_000_000})) is not None


def test_what_is_signed_and_holds_no_claims_is_no_token(keys: Keys) -> None:
    assert keys.verify(jwt.api_jws.encode(b"[1]", S, "HS256", headers={"typ": "JWT"})) is None
    assert keys.verify(jwt.api_jws.encode(b"no json", S, "HS256", headers={"typ": "JWT"})) is None


def test_own_token(keys: Keys) -> None:
    claims = keys.login_claims(keys.login_token(ADMIN, "abc"))
    assert claims is not None
    assert (claims["userId"], claims["pwd"]) == (ADMIN, "abc")
    assert dt.timedelta(seconds=claims["exp"] - claims["iat"]) == dt.timedelta(days=30)


def test_plain_token_signed_with_the_secret_is_no_login(keys: Keys) -> None:
    # Share tokens and visit caches are signed with S and handed out freely.
    assert keys.login_claims(keys.sign({"userId": ADMIN, "aud": "dashi:login"})) is None


def test_user_id_must_be_text(keys: Keys) -> None:
    assert keys.login_claims(keys.seal({"userId": 7})) is None
    assert keys.login_claims(keys.seal({})) is None


def test_passwords() -> None:
    hashed = hash_password("umami")
    assert hashed.startswith("$2b$10$")
    assert verify_password("umami", hashed)
    assert not verify_password("umamj", hashed)
    # The older prefix occurs in databases that moved here.
    older = bcrypt.hashpw(b"umami", bcrypt.gensalt(4, prefix=b"2a")).decode()
    assert older.startswith("$2a$")
    assert verify_password("umami", older)
    assert not verify_password("umami", "no hash")
    assert not verify_password("", hashed)


def test_long_passwords_are_cut_at_72_bytes_as_bcrypt_does() -> None:
    hashed = hash_password("é" * 100)
    assert verify_password("é" * 36, hashed)
    assert not verify_password("é" * 35, hashed)


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(Invalid, match="is empty"):
        load_app_secret(Settings(data_dir=tmp_path))


def test_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    made = load_app_secret(settings)
    assert len(made) == 64
    assert load_app_secret(settings) == made
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert load_app_secret(Settings(data_dir=tmp_path, app_secret=SECRET)) == SECRET
