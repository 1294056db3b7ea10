"""Models and endpoint configs on SageMaker, and alarms by their names: what rollouts leave behind."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import message_of, translated
from release.ports import Made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sagemaker import SageMakerClient

_MISSING = "Could not find"


class AwsInventory:
    def __init__(self, client: "SageMakerClient", cloudwatch: "CloudWatchClient") -> None:
        self._client = client
        self._cloudwatch = cloudwatch

    def models(self, name_part: str) -> list[Made]:
        pages = self._client.get_paginator("list_models").paginate(NameContains=name_part)
        with translated(f"listing the models of {name_part}"):
            return [Made(found["ModelName"], found["CreationTime"]) for page in pages for found in page["Models"]]

    def configs(self, name_part: str) -> list[Made]:
        pages = self._client.get_paginator("list_endpoint_configs").paginate(NameContains=name_part)
        with translated(f"listing the endpoint configs of {name_part}"):
            return [
                Made(found["EndpointConfigName"], found["CreationTime"])
                for page in pages
                for found in page["EndpointConfigs"]
            ]

    def has_model(self, name: str) -> bool:
        return self._found(f"looking for model {name}", self._client.describe_model, ModelName=name)

    def has_config(self, name: str) -> bool:
        doing = f"looking for endpoint config {name}"
        return self._found(doing, self._client.describe_endpoint_config, EndpointConfigName=name)

    def delete_model(self, name: str) -> None:
        self._found(f"deleting model {name}", self._client.delete_model, ModelName=name)

    def delete_config(self, name: str) -> None:
        doing = f"deleting endpoint config {name}"
        self._found(doing, self._client.delete_endpoint_config, EndpointConfigName=name)

    def alarms(self, prefix: str) -> "Sequence[str]":
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"]
        )
        with translated(f"listing the alarms of {prefix}"):
            return [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]

    @staticmethod
    def _found(doing: str, call: Any, **request: str) -> bool:
        """False: SageMaker has nothing of this name."""
        try:
            with translated(doing):
                call(**request)
        except ClientError as error:
            if _MISSING in message_of(error):
                return False
            raise
        return True
