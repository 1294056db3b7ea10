"""What every part of the embedded AWS shares: one account, one region, one address, one clock."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.clock import Clock
from local.faults import FaultBoard
from local.parts import Part
from local.processes import Processes
from local.service_metrics import Meter

ACCOUNT = "123456789012"
REGION = "us-east-1"
# The developer's own keys: whoever presents them is the account's administrator. No secret: they open loopback only.
ADMIN_KEY, ADMIN_SECRET = "local", "local"

_CLIENT_CONFIG = Config(
    retries={"total_max_attempts": 1},
    s3={"addressing_style": "path"},
    max_pool_connections=64,
    read_timeout=910,  # a Lambda function may answer after 15 minutes
)

# The stubs' signature has one overload per service name; here the name is a variable.
_build_client: Callable[..., Any] = boto3.client


@dataclass
class World:
    port: int
    state_dir: Path
    """Scratch folder of this run: function code, model folders, image layers, logs. Removed at the end."""
    clock: Clock = field(default_factory=Clock)
    processes: Processes = field(default_factory=Processes)
    faults: FaultBoard = field(default_factory=FaultBoard)
    meter: Meter = field(default_factory=Meter)
    parts: dict[str, Part] = field(default_factory=dict)
    """What survives a restart where that is asked for; each part puts itself here."""
    _clients: dict[tuple[str, str, bool], Any] = field(default_factory=dict, repr=False)
    _clients_lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, credentials: dict[str, str] | None = None, *, validate: bool = True) -> Any:
        """A boto3 client of this embedded AWS and of nothing else. Clients are shared: building one costs 50 ms.

        Args:
            credentials: `Credentials` of an AssumeRole answer; the administrator's keys if absent.
            validate: check parameters before sending; without, the service says what is wrong with them.
        """
        keys = credentials or {"AccessKeyId": ADMIN_KEY, "SecretAccessKey": ADMIN_SECRET}
        # One at a time: boto3's default session is not safe to build clients from in several threads.
        with self._clients_lock:
            key = (service, keys["AccessKeyId"], validate)
            if key not in self._clients:
                self._clients[key] = self._new_client(service, keys, validate=validate)
            return self._clients[key]

    def role_credentials(self, role_arn: str, session: str, service: str | None = None) -> dict[str, str]:
        """What AssumeRole answers for a role.

        Args:
            session: the session's name; AWS keeps 64 characters.
            service: the service that takes it, as the role's trust policy names it, `lambda.amazonaws.com`; the
                administrator if absent.

        Raises:
            ClientError: the role does not exist or does not trust the service.
        """
        identity = {"SourceIdentity": service} if service else {}
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session[:64], **identity)
        credentials: dict[str, str] = answer["Credentials"]
        return credentials

    def _new_client(self, service: str, keys: dict[str, str], *, validate: bool) -> Any:
        return _build_client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=_CLIENT_CONFIG.merge(Config(parameter_validation=validate)),
        )
