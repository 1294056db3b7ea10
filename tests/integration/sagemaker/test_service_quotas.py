"""Service Quotas through an ordinary client, over HTTP."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import gateway
from local.clock import Clock
from local.sagemaker.control.quotas import Quotas
from local.service_quotas import ServiceQuotas
from local.world import World

# Source: public audits of accounts in us-east-1.
G5_CODE, G5_NAME = "L-C1B9A48D", "ml.g5.4xlarge for endpoint usage"
CALLER = "arn:aws:iam::123456789012:user/administrator"


class DeniedError(Exception):
    code = "AccessDeniedException"


class Service:
    """Service Quotas behind a server of its own."""

    def __init__(self, approval_s: float) -> None:
        self.clock = Clock()
        self.quotas = Quotas(self.clock.time)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.denied: set[str] = set()
        self.passed_on: list[str] = []
        self._listener = gateway.bind(0)
        port = self._listener.getsockname()[1]
        application = ServiceQuotas(
            self.quotas, self.clock, self._authorize, lambda _: CALLER, self._others, approval_s=approval_s
        )
        self._server = gateway.server_on(self._listener, application)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        world = World(port, Path())
        self.client = world.client("service-quotas")
        self.sqs = world.client("sqs")

    def _authorize(self, _: str, action: str, resource: str, context: Any) -> None:
        self.asked.append((action, resource, dict(context)))
        if action in self.denied:
            raise DeniedError(f"{CALLER} may not {action}")

    def _others(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        self.passed_on.append(environ["HTTP_X_AMZ_TARGET"])
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]

    def refusal(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            getattr(self.client, operation)(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    def raised(self, value: float) -> dict[str, Any]:
        answer = self.client.request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode=G5_CODE, DesiredValue=value
        )
        told: dict[str, Any] = answer["RequestedQuota"]
        return told

    def value(self) -> float:
        answer = self.client.get_service_quota(ServiceCode="sagemaker", QuotaCode=G5_CODE)
        return float(answer["Quota"]["Value"])

    def close(self) -> None:
        gateway.close(self._server)
        self._listener.close()


@contextmanager
def serving(approval_s: float = 0.0) -> Iterator[Service]:
    service = Service(approval_s)
    try:
        yield service
    finally:
        service.close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


def test_a_quota_is_told_with_its_value(service: Service) -> None:
    quota = service.client.get_service_quota(ServiceCode="sagemaker", QuotaCode=G5_CODE)["Quota"]

    assert quota["QuotaName"] == G5_NAME
    assert quota["Value"] == service.quotas.value(G5_NAME)
    assert quota["QuotaArn"] == f"arn:aws:servicequotas:us-east-1:123456789012:sagemaker/{G5_CODE}"
    assert quota["Adjustable"] is True


@pytest.mark.parametrize("operation", ["list_service_quotas", "list_aws_default_service_quotas"])
def test_all_quotas_are_listed_in_pages(service: Service, operation: str) -> None:
    pages = list(service.client.get_paginator(operation).paginate(ServiceCode="sagemaker"))

    names = [quota["QuotaName"] for page in pages for quota in page["Quotas"]]
    assert len(pages) > 1
    assert names == [quota.name for quota in service.quotas.published()]


def test_one_quota_can_be_asked_for_in_the_list(service: Service) -> None:
    listed = service.client.list_service_quotas(ServiceCode="sagemaker", QuotaCode=G5_CODE)["Quotas"]

    assert [quota["QuotaName"] for quota in listed] == [G5_NAME]


def test_an_increase_applies_and_the_default_stays() -> None:
    with serving() as service:
        before = service.value()
        told = service.raised(before + 5)
        default = service.client.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=G5_CODE)["Quota"]

        assert (told["DesiredValue"], told["Requester"]) == (before + 5, f'{{"callerArn": "{CALLER}"}}')
        assert service.value() == service.quotas.value(G5_NAME) == before + 5
        assert default["Value"] == before


def test_an_increase_waits_for_its_approval() -> None:
    with serving(approval_s=4320) as service:
        before = service.value()
        told = service.raised(before + 5)
        pending = service.value()
        # Source: RequestServiceQuotaIncrease's errors: there may be one open request for a quota.
        again, _ = service.refusal(
            "request_service_quota_increase", ServiceCode="sagemaker", QuotaCode=G5_CODE, DesiredValue=99
        )
        service.clock._started += 4320

        after = service.client.get_requested_service_quota_change(RequestId=told["Id"])["RequestedQuota"]
        assert (told["Status"], pending, again) == ("PENDING", before, "ResourceAlreadyExistsException")
        assert (after["Status"], service.value()) == ("APPROVED", before + 5)


def test_increases_are_remembered_the_newest_first() -> None:
    with serving() as service:
        ids = [service.raised(value)["Id"] for value in (30, 40)]

        history = service.client.list_requested_service_quota_change_history(ServiceCode="sagemaker")
        approved = service.client.list_requested_service_quota_change_history(Status="PENDING")
        assert [one["Id"] for one in history["RequestedQuotas"]] == ids[::-1]
        assert approved["RequestedQuotas"] == []


@pytest.mark.parametrize(
    ("operation", "request_body", "code", "words"),
    [
        pytest.param(
            "get_service_quota",
            {"QuotaCode": "L-00000000"},
            "NoSuchResourceException",
            "L-00000000",
            id="no such quota",
        ),
        pytest.param(
            "list_service_quotas",
            {"ServiceCode": "ec2"},
            "NoSuchResourceException",
            "sagemaker alone",
            id="another service",
        ),
        pytest.param(
            "request_service_quota_increase",
            {"QuotaCode": G5_CODE, "DesiredValue": 1},
            "IllegalArgumentException",
            "greater than the current quota value, 20; got 1",
            id="no increase",
        ),
        pytest.param(
            "list_service_quotas",
            {"NextToken": "eA=="},
            "InvalidPaginationTokenException",
            "eA==",
            id="a foreign token",
        ),
        pytest.param(
            "get_requested_service_quota_change", {"RequestId": "nobody"}, "NoSuchResourceException", "nobody", id="id"
        ),
        pytest.param(
            "list_tags_for_resource",
            {"ResourceARN": f"arn:aws:servicequotas:us-east-1:123456789012:sagemaker/{G5_CODE}"},
            "IllegalArgumentException",
            "does not emulate ListTagsForResource",
            id="what is not emulated",
        ),
    ],
)
def test_what_cannot_be_is_said_in_the_services_errors(
    service: Service, operation: str, request_body: dict[str, Any], code: str, words: str
) -> None:
    takes_service = operation not in {"get_requested_service_quota_change", "list_tags_for_resource"}
    known = {"ServiceCode": "sagemaker"} if takes_service else {}

    said = service.refusal(operation, **{**known, **request_body})

    assert said[0] == code
    assert words in said[1]


def test_an_increase_needs_its_right_on_the_quota() -> None:
    with serving() as service:
        service.denied.add("servicequotas:RequestServiceQuotaIncrease")

        code, _ = service.refusal(
            "request_service_quota_increase", ServiceCode="sagemaker", QuotaCode=G5_CODE, DesiredValue=99
        )

        # Source: "Actions, resources, and condition keys for Service Quotas" of the Service Authorization Reference.
        assert code == "AccessDeniedException"
        arn = f"arn:aws:servicequotas:us-east-1:123456789012:sagemaker/{G5_CODE}"
        context = {"servicequotas:service": "sagemaker"}
        assert service.asked == [("servicequotas:RequestServiceQuotaIncrease", arn, context)]
        assert service.value() == 20


def test_answers_and_refusals_have_request_ids_and_the_statuses_of_their_protocol() -> None:
    with serving() as service:
        answers = [service.client.list_services()["ResponseMetadata"]]
        service.denied.add("servicequotas:ListServices")
        with pytest.raises(ClientError) as caught:
            service.client.list_services()
        answers.append(caught.value.response["ResponseMetadata"])

    # AWS's JSON 1.1 services refuse with 400, as SageMaker's does in a public report.
    assert [answer["HTTPStatusCode"] for answer in answers] == [200, 400]
    assert len({answer["RequestId"] for answer in answers}) == 2


def test_sagemaker_alone_has_quotas_here(service: Service) -> None:
    assert [one["ServiceCode"] for one in service.client.list_services()["Services"]] == ["sagemaker"]


def test_other_services_are_handed_on(service: Service) -> None:
    service.sqs.list_queues()

    assert service.passed_on == ["AmazonSQS.ListQueues"]
