"""The account's quotas of SageMaker, from Service Quotas."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_service_quotas.type_defs import ServiceQuotaTypeDef

_SERVICE = "sagemaker"
_MISSING = "NoSuchResourceException"
# Asking by code is one call. SageMaker has thousands of quotas, so that finding one by its name takes dozens.
# Source: the codes that Service Quotas gives in us-east-1, as public audits of accounts print them.
CODES = {
    "Number of instances across active endpoints": "L-7A3DF611",
    "ml.g5.xlarge for endpoint usage": "L-1928E07B",
    "ml.g5.2xlarge for endpoint usage": "L-9614C779",
    "ml.g5.4xlarge for endpoint usage": "L-C1B9A48D",
    "ml.g5.12xlarge for endpoint usage": "L-65C4BD00",
    "ml.g6.xlarge for endpoint usage": "L-D470D954",
    "ml.g6.2xlarge for endpoint usage": "L-98BDE811",
    "ml.g6.4xlarge for endpoint usage": "L-DFB10FDE",
    "ml.g6.12xlarge for endpoint usage": "L-0A29AACF",
    "ml.g6e.xlarge for endpoint usage": "L-B0729CB4",
    "ml.g6e.2xlarge for endpoint usage": "L-F8D7F460",
    "ml.g6e.4xlarge for endpoint usage": "L-93531071",
    "ml.g6e.8xlarge for endpoint usage": "L-96A28D02",
    "ml.g6e.12xlarge for endpoint usage": "L-60313EA3",
    "ml.g6e.24xlarge for endpoint usage": "L-AE407E8B",
    "ml.g6e.48xlarge for endpoint usage": "L-E0C458EA",
}


class AccountQuotas:
    def __init__(self, client: "ServiceQuotasClient") -> None:
        self._client = client
        self._codes = dict(CODES)

    def applied(self, names: Collection[str]) -> dict[str, int]:
        found = {name: value for name in names if (value := self._by_code(name)) is not None}
        if missing := set(names) - found.keys():
            found |= self._by_name(missing)
        return found

    def _by_code(self, name: str) -> int | None:
        """None: no code is known for the name, or the code stands for another quota here."""
        code = self._codes.get(name)
        for ask in (self._client.get_service_quota, self._client.get_aws_default_service_quota) if code else ():
            try:
                with translated(f"reading the quota {name!r}"):
                    quota = ask(ServiceCode=_SERVICE, QuotaCode=str(code))["Quota"]
            except ClientError as error:
                # Only quotas that were ever changed are applied ones; of the others the default counts.
                if code_of(error) == _MISSING:
                    continue
                raise
            return int(quota["Value"]) if quota.get("QuotaName") == name else None
        return None

    def _by_name(self, names: Collection[str]) -> dict[str, int]:
        """An applied value comes first, so that it counts and not the default."""
        found: dict[str, int] = {}
        with translated("listing SageMaker's quotas"):
            for quota in self._listed():
                name = quota.get("QuotaName", "")
                if name in names and name not in found:
                    found[name] = int(quota["Value"])
                    self._codes[name] = quota["QuotaCode"]
                if len(found) == len(names):
                    break
        return found

    def _listed(self) -> "Iterator[ServiceQuotaTypeDef]":
        for page in self._client.get_paginator("list_service_quotas").paginate(ServiceCode=_SERVICE):
            yield from page["Quotas"]
        for defaults in self._client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=_SERVICE):
            yield from defaults["Quotas"]
