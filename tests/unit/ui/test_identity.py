"""Tokens of the load balancer, made as AWS documents them, and every way in which one must not count.

Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
"""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ui.identity import AlbLogin, TokenRefusedError
from ui.settings import Login, Settings

SIGNER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/slipway-chat/50dc6c495c0c9188"
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_EXAMPLE"
KEY_ID = "12345678-1234-1234-1234-123456789012"
NOW = 1_795_000_000.0
SETTINGS = Settings(login=Login.ALB, signer=SIGNER, issuer=ISSUER)
KEY = ec.generate_private_key(ec.SECP256R1())
HEADER = {
    "alg": "ES256",
    "kid": KEY_ID,
    "signer": SIGNER,
    "iss": ISSUER,
    "client": "1example23456789",
    "exp": int(NOW) + 120,
}
CLAIMS = {"sub": "1234567890", "email": "ada@example.com"}


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def segment(content: bytes) -> str:
    """Padded, as the load balancer writes it and no JWT library does."""
    return base64.urlsafe_b64encode(content).decode()


def token(
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
    key: ec.EllipticCurvePrivateKey = KEY,
) -> str:
    signed = f"{segment(json.dumps(HEADER | (header or {})).encode())}.{segment(json.dumps(claims or CLAIMS).encode())}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{segment(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def login(asked: list[str] | None = None, settings: Settings = SETTINGS) -> AlbLogin:
    def fetch(url: str) -> str:
        if asked is not None:
            asked.append(url)
        return pem(KEY)

    return AlbLogin(settings, fetch, now=lambda: NOW)


def test_who_the_load_balancer_logged_in_is_believed_and_the_key_is_fetched_once() -> None:
    asked: list[str] = []
    door = login(asked)

    people = [door.person(token()) for _ in range(3)]

    assert {person.name for person in people} == {"ada@example.com"}
    assert not people[0].may_operate
    assert asked == [f"https://public-keys.auth.elb.us-east-1.amazonaws.com/{KEY_ID}"]


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param(["staff", "slipway-operators"], id="a list"),
        pytest.param("staff slipway-operators", id="words"),
        pytest.param("staff,slipway-operators", id="words between commas"),
    ],
)
def test_the_role_comes_from_the_claim(groups: object) -> None:
    assert login().person(token(claims={"sub": "7", "groups": groups})).may_operate


def test_a_word_that_only_contains_the_role_gives_none() -> None:
    assert not login().person(token(claims={"sub": "7", "groups": "slipway-operators-of-other"})).may_operate


def tampered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{segment(json.dumps(CLAIMS | {'groups': 'slipway-operators'}).encode())}.{signature}"


def unsigned() -> str:
    head = segment(json.dumps(HEADER | {"alg": "none"}).encode())
    return f"{head}.{segment(json.dumps(CLAIMS).encode())}."


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        pytest.param("", "no token", id="none at all"),
        pytest.param("W10=.W10=.", "no token", id="lists in place of claims"),
        pytest.param("a.b.c", "no token", id="not a token"),
        pytest.param("é.b.c", "no token", id="not even ASCII"),
        pytest.param(token(key=ec.generate_private_key(ec.SECP256R1())), "signature", id="signed with another key"),
        pytest.param(tampered(), "signature", id="claims changed after signing"),
        pytest.param(unsigned(), "algorithm", id="not signed"),
        pytest.param(token({"alg": "HS256"}), "algorithm", id="an algorithm whose key everybody has"),
        pytest.param(token({"signer": SIGNER.replace("1234", "9999")}), "another load balancer", id="ALBeast"),
        pytest.param(token({"iss": "https://evil.example"}), "another issuer", id="another issuer"),
        pytest.param(token({"exp": int(NOW)}), "expired", id="expired this second"),
        pytest.param(token({"exp": "tomorrow"}), "expired", id="an expiry that is no number"),
        pytest.param(token({"kid": "../../other-bucket"}), "no key", id="a key id that is a path"),
        pytest.param(token(claims={"groups": "x"}), "names nobody", id="nobody"),
    ],
)
def test_a_token_that_does_not_count_is_refused_with_the_check_that_failed(forged: str, reason: str) -> None:
    with pytest.raises(TokenRefusedError, match=reason):
        login().person(forged)


def test_a_foreign_token_costs_no_fetch_of_a_key() -> None:
    asked: list[str] = []

    with pytest.raises(TokenRefusedError):
        login(asked).person(token({"signer": "arn:other"}))

    assert asked == []
