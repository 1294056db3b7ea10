"""The judge itself: it counts honestly, and it asks nothing of a real account that nobody offered."""

import argparse
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from tests.conformance import aws as aws_module
from tests.conformance.__main__ import furnished
from tests.conformance.aws import aws, clean_up
from tests.conformance.case import Case
from tests.conformance.generated import area
from tests.conformance.suite import Area, Check, Verdict, run
from tests.conformance.table import score, share, table
from tests.conformance.targets import Need, Target, moto

ACCOUNT = "111122223333"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/checks@sha256:{'0' * 64}"
GIVEN = {
    "account": ACCOUNT,
    "region": "eu-central-1",
    "image": IMAGE,
    "i_accept_costs": True,
    "start_instances": False,
}
MODEL = botocore.session.get_session().get_service_model("sagemaker")


def target(**fields: Any) -> Target:
    # An address where nobody listens.
    return Target("nobody", "http://127.0.0.1:9", ACCOUNT, "us-east-1", patience_s=0.1, **fields)


def fails(_: Case) -> None:
    raise AssertionError("not what AWS says")


def breaks(_: Case) -> None:
    raise KeyError("EndpointStatus")


def test_what_cannot_be_asked_is_shown_and_never_counted_as_passed() -> None:
    areas = Area("one")
    areas.add("good", "a document", lambda _: None)
    areas.add("bad", "a document", fails)
    areas.add("broken", "a document", breaks, generated=True)
    areas.add("absent", "a document", lambda _: None, Need.FAULTS)

    results = list(run(areas.checks, target(lacks={Need.FAULTS: "no faults here"})))

    assert [result.verdict for result in results] == [
        Verdict.PASSED,
        Verdict.FAILED,
        Verdict.FAILED,
        Verdict.NOT_APPLICABLE,
    ]
    assert results[3].reason == "no faults here"
    assert "KeyError" in results[2].reason
    assert score(results) == "1/3 (1 n/a)"
    assert table({"nobody": results}).splitlines()[-1].split() == ["all", "4", "1", "1/3", "(1", "n/a)"]


@pytest.mark.parametrize(
    ("written", "generated", "counted"),
    [
        pytest.param(100, 264, 200, id="more are generated than written"),
        pytest.param(150, 20, 170, id="more are written than generated"),
    ],
)
def test_generated_checks_count_for_at_most_half(written: int, generated: int, counted: int) -> None:
    areas = Area("one")
    for number in range(written + generated):
        areas.add(str(number), "a document", lambda _: None, generated=number >= written)

    said = share(list(run(areas.checks, target())))

    assert f"{counted} if generated ones are counted for at most half" in said


@pytest.mark.parametrize("check", area().checks, ids=lambda check: check.name)
def test_a_generated_request_breaks_the_model_and_nothing_more(check: Check) -> None:
    # Independent of the generator: botocore's own validator, which knows required members and lower bounds.
    keywords = check.body.keywords  # type: ignore[attr-defined]  # the generator binds operation and breach
    shape = MODEL.operation_model(keywords["operation"]).input_shape
    assert isinstance(shape, StructureShape)

    report = ParamValidator().validate(keywords["breach"].request, shape)

    constraint = keywords["breach"].pattern
    known_to_botocore = "must not be null" in constraint or "greater than or equal" in constraint
    assert len(report._errors) == int(known_to_botocore), report.generate_report()


@pytest.mark.parametrize("absent", ["account", "region", "image", "i_accept_costs"])
def test_a_real_account_is_asked_only_by_everything_that_names_it(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_module, "Target", pytest.fail)

    with (
        pytest.raises(SystemExit, match=f"missing or malformed: --{absent.replace('_', '-')}"),
        aws(argparse.Namespace(**{**GIVEN, absent: None})),
    ):
        pytest.fail("it was asked")


class _Sts:
    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "999999999999"}


def test_credentials_of_another_account_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "new_client", lambda *_, **__: _Sts())

    with (
        pytest.raises(SystemExit, match=f"of account 999999999999, not of {ACCOUNT}"),
        aws(argparse.Namespace(**GIVEN)),
    ):
        pytest.fail("it was asked")


@pytest.fixture(scope="module")
def bare() -> Iterator[Target]:
    with furnished(moto) as found:
        yield found


def test_nothing_stays_in_an_account(bare: Target) -> None:
    case = Case(bare)
    endpoint = case.endpoint()
    case.alarm()
    bare.clients["logs"].create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")

    clean_up(bare)

    client = bare.clients
    assert client["sagemaker"].list_endpoints()["Endpoints"] == []
    assert client["sagemaker"].list_endpoint_configs()["EndpointConfigs"] == []
    assert client["sagemaker"].list_models()["Models"] == []
    assert client["cloudwatch"].describe_alarms()["MetricAlarms"] == []
    assert client["logs"].describe_log_groups()["logGroups"] == []
    assert client["iam"].list_roles()["Roles"] == []
    assert client["events"].list_rules()["Rules"] == []
    assert client["s3"].list_buckets()["Buckets"] == []
    with pytest.raises(ClientError, match="NonExistentQueue"):
        client["sqs"].get_queue_url(QueueName=bare.prefix)
