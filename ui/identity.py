"""Who is asking: the load balancer's word with its signature, or in development a person's own."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from ui.settings import Settings

OPERATOR = "operator"
"""May act on releases."""
_KEY_ID = re.compile(r"[0-9a-f-]{36}")
_KEY_WAIT_S = 5.0
_KEYS_KEPT = 16


_ES256 = jws.JWSRegistry.algorithms["ES256"]


@dataclass(frozen=True)
class Person:
    """`name` is for the ledger and for limits: an address if the issuer gives one, the issuer's subject otherwise."""

    name: str
    roles: frozenset[str] = frozenset()

    @property
    def may_operate(self) -> bool:
        return OPERATOR in self.roles


GUEST = Person("guest")


class TokenRefusedError(Exception):
    """The request carries no token that counts; log in again. The message says which check failed."""


def fetched_key(url: str) -> str:
    """The PEM behind a key's address; raises TokenRefusedError when it cannot be had."""
    try:
        with urlopen(url, timeout=_KEY_WAIT_S) as reply:  # noqa: S310 - the address comes from the task's settings
            return str(reply.read(4096).decode("ascii"))
    except (OSError, ValueError) as error:
        raise TokenRefusedError(f"the load balancer's public key could not be had ({error}); ask again") from error


class AlbLogin:
    """Reads `x-amzn-oidc-data`, the token that an Application Load Balancer adds when it has logged somebody in.

    Every check is needed: without the signer's, anybody's load balancer could vouch for anybody. The token is a JWT
    with the signature ES256, padded base64 and a header that names `kid`, `signer`, `iss`, `client` and `exp`.
    Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html

    Args:
        fetch: the PEM behind an address.
        now: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        fetch: Callable[[str], str] = fetched_key,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._fetch, self._now = settings, fetch, now
        address = f"https://public-keys.auth.elb.{settings.region}.amazonaws.com"
        self._address = settings.key_url or address
        self._keys: dict[str, ECKey] = {}
        self._lock = threading.Lock()

    def person(self, token: str) -> Person:
        """Whom the token names; blocking, because a key that is new has to be fetched.

        Raises:
            TokenRefusedError: a missing, malformed, forged, foreign or expired token.
        """
        try:
            signed, _, signature = token.rpartition(".")
            header, claims = (_object(segment) for segment in signed.split("."))
            sealed = _decoded(signature)
        except ValueError as error:
            raise TokenRefusedError("the request carries no token that can be read; log in") from error
        self._check(header)
        try:
            own = _ES256.verify(signed.encode("ascii"), sealed, self._key(header["kid"]))
        except (JoseError, ValueError) as error:
            raise TokenRefusedError(f"the token's signature cannot be checked ({error}); log in again") from error
        if not own:
            raise TokenRefusedError("the token's signature is not the load balancer's; log in again")
        return self._named(claims)

    def _check(self, header: Mapping[str, Any]) -> None:
        """Before a key is fetched: what is foreign must cost nothing."""
        settings = self._settings
        if header.get("alg") != "ES256":
            raise TokenRefusedError(f"the token's algorithm is {header.get('alg')!r}, not ES256; log in again")
        if header.get("signer") != settings.signer:
            raise TokenRefusedError("the token is of another load balancer; come through this page's own address")
        if settings.issuer and header.get("iss") != settings.issuer:
            raise TokenRefusedError("the token is of another issuer; log in again")
        expires = header.get("exp")
        if not isinstance(expires, int | float) or expires <= self._now():
            raise TokenRefusedError("the token has expired; reload the page to log in again")
        if not _KEY_ID.fullmatch(str(header.get("kid"))):
            raise TokenRefusedError("the token names no key of a load balancer; log in again")

    def _key(self, key_id: str) -> ECKey:
        with self._lock:
            if key_id not in self._keys:
                if len(self._keys) >= _KEYS_KEPT:
                    self._keys.clear()
                self._keys[key_id] = ECKey.import_key(self._fetch(f"{self._address}/{key_id}"))
            return self._keys[key_id]

    def _named(self, claims: Mapping[str, Any]) -> Person:
        name = claims.get("email") or claims.get("sub")
        if not isinstance(name, str) or not name:
            raise TokenRefusedError("the token names nobody: it has neither email nor sub; ask whoever runs the issuer")
        held = claims.get(self._settings.role_claim) or ()
        words = re.split(r"[\s,]+", held) if isinstance(held, str) else [str(word) for word in held]
        roles = frozenset({OPERATOR}) if self._settings.operator_role in words else frozenset[str]()
        return Person(name[:200], roles)


def _object(segment: str) -> dict[str, Any]:
    found = json.loads(_decoded(segment))
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__} stands where claims should be")  # noqa: TRY004 - as for bad JSON
    return found


def _decoded(segment: str) -> bytes:
    """The load balancer pads its base64, which JWT libraries refuse, and signs it as padded."""
    plain = segment.rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars="-_", validate=True)
