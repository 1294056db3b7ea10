"""A fault's spelling in JSON: what is understood, and what is answered to the rest."""

from typing import Any

import botocore.session
import pytest
from botocore.retries.standard import ThrottledRetryableChecker

from local.fault_json import InvalidFaultError, describe_fault, fault_kinds, parse_fault
from local.faults import ApiFailure, ApiFault, ClockFault, EventFailure, EventFault, FleetFailure, FleetFault
from local.faulty_calls import failure_of
from local.wire_errors import _QUERY_COMPATIBLE


def test_every_field_has_its_name_in_camel_case() -> None:
    body = b'{"kind": "api", "failure": "late", "operation": "Put*", "times": 2, "after": 1, "delayS": 1.5}'

    assert parse_fault(body) == ApiFault(failure=ApiFailure.LATE, operation="Put*", times=2, after=1, delay_s=1.5)


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(caller="*role/judge*", service="s3"),
        FleetFault(failure=FleetFailure.SLOW, delay_s=3, instance_type="ml.g5.*"),
        EventFault(failure=EventFailure.DUPLICATED, detail_type="Object Created"),
        ClockFault(part="lambda", skew_s=-3600),
    ],
)
def test_what_is_told_of_a_fault_sets_it_again(fault: Any) -> None:
    told = describe_fault("fault-1", fault, 4)

    assert (told.pop("id"), told.pop("struck")) == ("fault-1", 4)
    assert parse_fault(told) == fault


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param(b"{", "the body is not JSON", id="no JSON"),
        pytest.param(b"[]", "a JSON object with a kind of api, fleet", id="no object"),
        pytest.param({"kind": "storm"}, "got 'storm'", id="no such kind"),
        pytest.param(
            {"kind": "event", "service": "s3"}, "there is no field 'service'; this kind has", id="another kind's field"
        ),
        pytest.param({"kind": "api", "failure": "tired"}, "failure: Input should be 'throttled'", id="no such failure"),
        pytest.param({"kind": "api", "times": 0}, "times: Input should be greater than or equal to 1, got 0", id="0"),
        pytest.param({"kind": "api", "after": -1}, "after: Input should be greater than or equal to 0", id="negative"),
        pytest.param({"kind": "fleet", "delayS": "inf"}, "delayS: Input should be a finite number", id="for ever"),
        pytest.param({"kind": "api", "failure": "late"}, "needs a delay_s above 0", id="late by nothing"),
        pytest.param({"kind": "event", "failure": "delayed"}, "needs a delay_s above 0", id="delayed by nothing"),
        pytest.param({"kind": "clock"}, "needs a skew_s other than 0", id="a clock that is right"),
        pytest.param({"kind": "clock", "skewS": 1, "part": "sun"}, "no clock is called 'sun'", id="no such clock"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_first_thing_that_is_wrong(body: Any, sentence: str) -> None:
    with pytest.raises(InvalidFaultError) as refused:
        parse_fault(body)

    assert sentence in str(refused.value)


def test_every_kind_can_be_set_from_outside() -> None:
    assert {"api": ApiFault, "fleet": FleetFault, "event": EventFault, "clock": ClockFault}.items() <= (
        fault_kinds().items()
    )


SERVICES = [
    *("s3", "dynamodb", "lambda", "sqs", "sns", "states", "monitoring", "events", "iam", "ssm", "ecr", "ecs", "kms"),
    *("elasticloadbalancing", "ec2", "logs", "sts", "cloudformation", "sagemaker", "application-autoscaling"),
]


@pytest.mark.parametrize("service", SERVICES)
def test_a_throttled_call_is_one_that_boto_would_retry(service: str) -> None:
    code = failure_of(ApiFailure.THROTTLED, service, "Any", "caller").code

    checker: Any = ThrottledRetryableChecker  # its stubs leave the list out
    assert code in checker._THROTTLED_ERROR_CODES


def test_the_codes_of_older_clients_are_sent_by_the_services_whose_models_say_so() -> None:
    session = botocore.session.get_session()
    names = {"sqs": "sqs", "monitoring": "cloudwatch", "sns": "sns", "states": "stepfunctions", "dynamodb": "dynamodb"}
    marked = {
        signed for signed, name in names.items() if "awsQueryCompatible" in session.get_service_model(name).metadata
    }

    assert marked == _QUERY_COMPATIBLE
