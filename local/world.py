"""What every part of the embedded AWS shares: one account, one region, one address, one clock."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.clock import Clock
from local.processes import Processes

ACCOUNT = "123456789012"
REGION = "us-east-1"
# The developer's own keys administer the account. Not a secret: nothing but loopback is served.
ADMIN_KEY, ADMIN_SECRET = "local", "local"


@dataclass
class World:
    port: int
    state_dir: Path
    """Scratch folder of this run: function code, model folders, image layers, logs. Removed at the end."""
    clock: Clock = field(default_factory=Clock)
    processes: Processes = field(default_factory=Processes)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        """A boto3 client of this embedded AWS and of nothing else.

        Args:
            credentials: `Credentials` of an AssumeRole answer; the administrator's keys if absent.
        """
        keys = credentials or {"AccessKeyId": ADMIN_KEY, "SecretAccessKey": ADMIN_SECRET}
        session: Any = boto3.session.Session()  # its overloads, one per service, know no service by variable
        return session.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
