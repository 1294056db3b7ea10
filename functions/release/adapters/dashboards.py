"""Dashboards on CloudWatch."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_MISSING = frozenset({"ResourceNotFound", "ResourceNotFoundException"})


class CloudWatchDashboards:
    def __init__(self, client: "CloudWatchClient") -> None:
        self._client = client

    def body(self, name: str) -> str:
        try:
            with translated(f"looking at dashboard {name}"):
                return self._client.get_dashboard(DashboardName=name)["DashboardBody"]
        except ClientError as error:
            if code_of(error) in _MISSING:
                return ""
            raise

    def put(self, name: str, body: str) -> None:
        with translated(f"drawing dashboard {name}"):
            self._client.put_dashboard(DashboardName=name, DashboardBody=body)

    def delete(self, name: str) -> None:
        try:
            with translated(f"removing dashboard {name}"):
                self._client.delete_dashboards(DashboardNames=[name])
        except ClientError as error:
            if code_of(error) not in _MISSING:
                raise
