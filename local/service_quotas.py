"""Service Quotas: the account's quotas of SageMaker, read and raised through AWS's API.

Source: the Service Quotas API reference, as botocore ships it. How soon AWS approves is a setting; it never refuses.
"""

import base64
import binascii
import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.clock import Clock
from local.sagemaker.control.quotas import Quota, Quotas, UnknownQuotaError
from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import check_request
from local.world import ACCOUNT, REGION

TARGET_PREFIX = "ServiceQuotasV20190624."
SERVICE, SERVICE_CODE, SERVICE_NAME = "service-quotas", "sagemaker", "Amazon SageMaker"
PAGE_SIZE = 100
"""Quotas on a page; the API names only the highest number, which is this one."""

Json = dict[str, Any]
Environ = dict[str, Any]
StartResponse = Callable[..., object]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Authorize = Callable[[str, str, str, Mapping[str, str]], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Increase:
    """One RequestServiceQuotaIncrease."""

    id: str
    quota: Quota
    value: float
    created: datetime
    requester: str


class ServiceQuotas:
    """Answers Service Quotas and hands every other request on.

    Args:
        authorize: raises unless the access key may do the action on the resource under these condition keys.
        caller: the ARN behind an access key.
        others: what answers all other services.
        approval_s: AWS seconds from a request to its approval; 0 approves at once.
    """

    OPERATIONS = (
        "GetAWSDefaultServiceQuota",
        "GetRequestedServiceQuotaChange",
        "GetServiceQuota",
        "ListAWSDefaultServiceQuotas",
        "ListRequestedServiceQuotaChangeHistory",
        "ListServiceQuotas",
        "ListServices",
        "RequestServiceQuotaIncrease",
    )
    """Everything else is refused by name."""

    def __init__(  # noqa: PLR0913 - its surroundings, each named
        self,
        quotas: Quotas,
        clock: Clock,
        authorize: Authorize,
        caller: Callable[[str], str],
        others: Application,
        *,
        approval_s: float = 0.0,
    ) -> None:
        self._quotas = quotas
        self._clock = clock
        self._authorize = authorize
        self._caller = caller
        self._others = others
        self._approval_s = approval_s
        self._increases: list[Increase] = []
        self._lock = threading.RLock()
        self._deeds: dict[str, Callable[[Json, str], Json]] = {
            "GetAWSDefaultServiceQuota": lambda request, _: {"Quota": self._default(self._quota(request))},
            "GetRequestedServiceQuotaChange": self._change,
            "GetServiceQuota": lambda request, _: {"Quota": self._current(self._quota(request))},
            "ListAWSDefaultServiceQuotas": self._list_defaults,
            "ListRequestedServiceQuotaChangeHistory": self._history,
            "ListServiceQuotas": self._list,
            "ListServices": lambda request, _: _page(
                "Services", [{"ServiceCode": SERVICE_CODE, "ServiceName": SERVICE_NAME}], request
            ),
            "RequestServiceQuotaIncrease": self._increase,
        }

    # What survives a restart (`local.parts.Part`)

    def keep(self) -> tuple[list[Increase], Any]:
        return self._increases, self._quotas.keep()

    def restore(self, kept: tuple[list[Increase], Any]) -> None:
        self._increases, changes = kept
        self._quotas.restore(changes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
        if not target.startswith(TARGET_PREFIX):
            return self._others(environ, start_response)
        try:
            answer = self._call(target.removeprefix(TARGET_PREFIX), environ)
        except AwsError as error:
            status, headers, body = error.answer()
        except Exception:
            # A request's end is the boundary: the client gets AWS's word for it, the log the traceback.
            logger.exception("%s broke", target)
            status, headers, body = AwsError("ServiceException", "Something went wrong; see the log.", 500).answer()
        else:
            status, body = 200, json.dumps(answer).encode()
            headers = [("Content-Type", "application/x-amz-json-1.1")]
        headers += [("x-amzn-RequestId", str(uuid.uuid4())), ("Content-Length", str(len(body)))]
        start_response(f"{status} Answer", headers)
        return [body]

    def _call(self, name: str, environ: Environ) -> Json:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if name not in self.OPERATIONS:
            raise AwsError("IllegalArgumentException", f"the embedded Service Quotas does not emulate {name}")
        try:
            request = check_request(SERVICE, name, json.loads(body or b"{}"))
        except (AwsError, ValueError) as error:
            raise AwsError("IllegalArgumentException", str(error)) from error
        access_key = _access_key(environ)
        self._allow(access_key, name, request)
        if request.get("ServiceCode", SERVICE_CODE) != SERVICE_CODE:
            raise AwsError(
                "NoSuchResourceException",
                f"The local AWS has quotas of {SERVICE_CODE} alone, none of {request['ServiceCode']!r}.",
            )
        with self._lock:
            return self._deeds[name](request, access_key)

    def _allow(self, access_key: str, name: str, request: Json) -> None:
        """Only a request for an increase has a resource, says the Service Authorization Reference."""
        resource, context = "*", {}
        if name == "RequestServiceQuotaIncrease":
            resource = _arn(request["QuotaCode"])
            context = {"servicequotas:service": request["ServiceCode"]}
        try:
            self._authorize(access_key, f"servicequotas:{name}", resource, context)
        except Exception as error:
            # Another part's judgement: its errors are not ours to know by class, but they name their AWS code.
            code = getattr(error, "code", None)
            if not isinstance(code, str):
                raise
            raise AwsError(code, str(getattr(error, "message", error))) from error

    # What the operations do

    def _list(self, request: Json, _: str) -> Json:
        wanted = request.get("QuotaCode")
        found = [quota for quota in self._quotas.published() if wanted in (None, quota.code)]
        return _page("Quotas", [self._current(quota) for quota in found], request)

    def _list_defaults(self, request: Json, _: str) -> Json:
        return _page("Quotas", [self._default(quota) for quota in self._quotas.published()], request)

    def _history(self, request: Json, _: str) -> Json:
        told = [self._told(increase) for increase in reversed(self._increases)]
        wanted = request.get("Status")
        return _page("RequestedQuotas", [one for one in told if wanted in (None, one["Status"])], request)

    def _change(self, request: Json, _: str) -> Json:
        found = next((one for one in self._increases if one.id == request["RequestId"]), None)
        if found is None:
            raise AwsError("NoSuchResourceException", f"There is no quota increase request {request['RequestId']!r}.")
        return {"RequestedQuota": self._told(found)}

    def _increase(self, request: Json, access_key: str) -> Json:
        quota, value = self._quota(request), float(request["DesiredValue"])
        if any(one.quota == quota and not self._is_approved(one) for one in self._increases):
            message = f"There is an open request for quota {quota.code} already; wait until it is decided."
            raise AwsError("ResourceAlreadyExistsException", message)
        applied = self._quotas.value(quota.name)
        if value <= applied:
            message = (
                f"You must provide a quota value greater than the current quota value, {applied:g}; got {value:g}."
            )
            raise AwsError("IllegalArgumentException", message)
        increase = Increase(uuid.uuid4().hex, quota, value, self._clock.now(), self._caller(access_key))
        self._increases.append(increase)
        self._quotas.set(quota.name, value, self._approved_at(increase))
        return {"RequestedQuota": self._told(increase) | {"Status": "PENDING"}}

    # What they share

    def _quota(self, request: Json) -> Quota:
        try:
            return self._quotas.by_code(request["QuotaCode"])
        except UnknownQuotaError as error:
            raise AwsError("NoSuchResourceException", str(error)) from error

    def _current(self, quota: Quota) -> Json:
        return self._default(quota) | {"Value": self._quotas.value(quota.name)}

    @staticmethod
    def _default(quota: Quota) -> Json:
        return _named(quota) | {"Value": quota.default, "Adjustable": True}

    def _told(self, increase: Increase) -> Json:
        approved = self._is_approved(increase)
        return _named(increase.quota) | {
            "Id": increase.id,
            "DesiredValue": increase.value,
            "Status": "APPROVED" if approved else "PENDING",
            "Created": increase.created.timestamp(),
            "LastUpdated": self._approved_at(increase) if approved else increase.created.timestamp(),
            "Requester": json.dumps({"callerArn": increase.requester}),
            "QuotaRequestedAtLevel": "ACCOUNT",
        }

    def _is_approved(self, increase: Increase) -> bool:
        return self._clock.time() >= self._approved_at(increase)

    def _approved_at(self, increase: Increase) -> float:
        return increase.created.timestamp() + self._approval_s


def _named(quota: Quota) -> Json:
    return {
        "ServiceCode": SERVICE_CODE,
        "ServiceName": SERVICE_NAME,
        "QuotaArn": _arn(quota.code),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Unit": "None",
        "GlobalQuota": False,
    }


def _arn(code: str) -> str:
    return f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:{SERVICE_CODE}/{code}"


def _page(member: str, items: list[Json], request: Json) -> Json:
    start = 0
    if token := request.get("NextToken"):
        try:
            start = int(base64.b64decode(token, validate=True))
        except (ValueError, binascii.Error) as error:
            message = f"NextToken {token!r} was not given out by this service."
            raise AwsError("InvalidPaginationTokenException", message) from error
    end = start + int(request.get("MaxResults", PAGE_SIZE))
    more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
    return {member: items[start:end], **more}


def _access_key(environ: Environ) -> str:
    _, found, scope = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    if not found:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    return scope.split("/", 1)[0]
