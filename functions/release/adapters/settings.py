"""The endpoints' settings in SSM parameters."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.contracts.config import PartialConfig
from release.contracts.settings import EndpointSettings, PolicySettings, Retention
from release.domain.names import Names

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class SsmSettings:
    def __init__(self, client: "SSMClient", *, stack: str) -> None:
        self._client = client
        self._stack = stack

    def of(self, endpoint: str) -> PartialConfig:
        return self._read(endpoint).config()

    def policy(self, endpoint: str) -> PolicySettings:
        return self._read(endpoint).policy or PolicySettings()

    def retention(self, endpoint: str) -> Retention:
        return self._read(endpoint).retention or Retention()

    def _read(self, endpoint: str) -> EndpointSettings:
        name = Names(self._stack, endpoint).settings_parameter
        try:
            with translated(f"reading the settings {name}"):
                value = self._client.get_parameter(Name=name)["Parameter"].get("Value", "")
        except ClientError as error:
            if code_of(error) == "ParameterNotFound":
                return EndpointSettings()
            raise
        return EndpointSettings.parse_text(value)
