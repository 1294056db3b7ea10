"""What the page is told from outside. AWS's own settings are boto3's business."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Login(StrEnum):
    """How the page knows who is asking."""

    NONE = "none"
    """It does not: everybody is a guest, who may chat and look."""
    DEVELOPMENT = "development"
    """Everybody says who they are and is believed; on the loopback interface alone."""
    ALB = "alb"
    """The load balancer has logged them in by OIDC and signs who they are."""


_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    host: str = _LOOPBACK
    port: int = 7860
    stack: str = "slipway"
    endpoint: str = "chat"
    rival: str = ""
    """The endpoint that the arena puts beside `endpoint`; empty for an arena that offers none."""
    streams: int = 100
    """Answers that run at once. Each takes a thread; one core carries about 50 of them smoothly."""
    login: Login = Login.NONE
    signer: str = ""
    """ARN of the load balancer whose signature counts."""
    issuer: str = ""
    """Of the tokens; empty: the page checks the signer alone."""
    region: str = "us-east-1"
    key_url: str = ""
    """Where the load balancer's public keys are, without the key's id; AWS's own address without it."""
    role_claim: str = "groups"
    operator_role: str = "slipway-operators"
    """Who has this word in `role_claim` may act on releases."""
    tokens_a_day: int = 200_000
    """What one person may ask of the model in a day (UTC), prompts and answers together."""
    requests_a_minute: int = 30

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises ValueError when a variable cannot be what it is for; the message names it."""
        settings = cls(
            host=environ.get("HOST", cls.host),
            port=_whole(environ, "PORT", cls.port, 65535),
            stack=environ.get("SLIPWAY_STACK", cls.stack),
            endpoint=environ.get("SLIPWAY_ENDPOINT", cls.endpoint),
            rival=environ.get("SLIPWAY_RIVAL", cls.rival),
            login=_login(environ.get("SLIPWAY_LOGIN", cls.login)),
            signer=environ.get("SLIPWAY_LOGIN_SIGNER", cls.signer),
            issuer=environ.get("SLIPWAY_LOGIN_ISSUER", cls.issuer),
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or cls.region,
            key_url=environ.get("SLIPWAY_LOGIN_KEYS", cls.key_url),
            role_claim=environ.get("SLIPWAY_ROLE_CLAIM", cls.role_claim),
            operator_role=environ.get("SLIPWAY_OPERATOR_ROLE", cls.operator_role),
            tokens_a_day=_whole(environ, "SLIPWAY_TOKENS_A_DAY", cls.tokens_a_day, 10**9),
            requests_a_minute=_whole(environ, "SLIPWAY_REQUESTS_A_MINUTE", cls.requests_a_minute, 10**6),
        )
        settings._check()
        return settings

    def _check(self) -> None:
        if self.login is Login.DEVELOPMENT and self.host != _LOOPBACK:
            raise ValueError(
                f"SLIPWAY_LOGIN is development and HOST is {self.host}; it believes what people say of themselves, "
                f"so it serves {_LOOPBACK} alone"
            )
        if self.login is Login.ALB and not self.signer:
            raise ValueError("SLIPWAY_LOGIN is alb without SLIPWAY_LOGIN_SIGNER; set it to the load balancer's ARN")


def _whole(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise ValueError(f"{name} is {text!r}; set it to a number from 1 to {most}")
    return int(text)


def _login(text: str) -> Login:
    try:
        return Login(text)
    except ValueError:
        known = ", ".join(Login)
        raise ValueError(f"SLIPWAY_LOGIN is {text!r}; set it to one of {known}") from None
