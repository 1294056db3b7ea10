"""Quotas, prices and policies where they really come from: Service Quotas and SSM."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.clock import Clock
from local.sagemaker.control.quotas import _CODES, Quotas
from local.service_quotas import ServiceQuotas
from release.adapters.prices import SsmPrices
from release.adapters.quotas import CODES, AccountQuotas
from release.adapters.settings import SsmSettings
from release.contracts.config import PartialConfig
from release.contracts.settings import PolicySettings
from release.domain.plan_capacity import ALL_INSTANCES, quota_of_type
from release.domain.price import built_in_prices
from release.errors import InvalidInputError, ServiceUnavailableError
from tests.builders.aws import stubbed
from tests.integration.sagemaker.test_service_quotas import Service

KNOWN, UNKNOWN = quota_of_type("ml.g5.4xlarge"), quota_of_type("ml.c5.large")


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(approval_s=0)
    yield service
    service.close()


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ssm", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")


def test_quotas_are_read_by_code_and_found_by_name(service: Service) -> None:
    """`ml.c5.large` has no code that is known; a type that does not exist has no quota."""
    service.quotas.set(KNOWN, 7, 0)
    service.quotas.set(UNKNOWN, 3, 0)
    names = (KNOWN, UNKNOWN, ALL_INSTANCES, quota_of_type("ml.z9.large"))

    assert AccountQuotas(service.client).applied(names) == {KNOWN: 7, UNKNOWN: 3, ALL_INSTANCES: 40}


def test_a_quota_that_was_found_by_name_is_asked_for_by_its_code_from_then_on(service: Service) -> None:
    quotas = AccountQuotas(service.client)
    first = quotas.applied((UNKNOWN,))
    service.asked.clear()

    assert quotas.applied((UNKNOWN,)) == first
    assert {action for action, _, _ in service.asked} == {"servicequotas:GetServiceQuota"}


def test_the_codes_are_those_of_the_twin() -> None:
    assert CODES.items() <= _CODES.items()


def test_a_quota_that_nobody_ever_changed_has_its_default() -> None:
    """Service Quotas: GetServiceQuota knows applied values only, where it answers NoSuchResourceException."""
    client, stub = stubbed("service-quotas")
    stub.add_client_error("get_service_quota", "NoSuchResourceException", http_status_code=400)
    quota = {"QuotaName": KNOWN, "QuotaCode": CODES[KNOWN], "Value": 2.0}
    asked = {"ServiceCode": "sagemaker", "QuotaCode": CODES[KNOWN]}
    stub.add_response("get_aws_default_service_quota", {"Quota": quota}, asked)

    assert AccountQuotas(client).applied((KNOWN,)) == {KNOWN: 2}


def test_a_code_that_means_something_else_here_is_not_believed() -> None:
    client, stub = stubbed("service-quotas")
    stub.add_response("get_service_quota", {"Quota": {"QuotaName": "something else", "Value": 99.0}})
    stub.add_response("list_service_quotas", {"Quotas": [{"QuotaName": KNOWN, "QuotaCode": "L-1", "Value": 4.0}]})

    assert AccountQuotas(client).applied((KNOWN,)) == {KNOWN: 4}


def test_a_throttled_service_quotas_is_worth_a_retry() -> None:
    client, stub = stubbed("service-quotas")
    stub.add_client_error("get_service_quota", "TooManyRequestsException", http_status_code=429)

    with pytest.raises(ServiceUnavailableError, match=r"reading the quota 'ml\.g5\.4xlarge for endpoint usage'"):
        AccountQuotas(client).applied((KNOWN,))


def test_prices_are_the_built_in_ones_until_the_account_has_its_own(ssm: Any) -> None:
    prices = SsmPrices(ssm, stack="slipway")
    assert prices.current() == built_in_prices()
    own = {
        "date": "2026-12-01",
        "region": "eu-west-1",
        "source": "our bill",
        "hourlyDollars": {"ml.g5.4xlarge": "2.27"},
    }
    ssm.put_parameter(Name="/slipway/prices", Type="String", Value=json.dumps(own))

    found = prices.current()

    assert (found.as_of, found.of("ml.g5.4xlarge")) == ("2026-12-01", Decimal("2.27"))
    assert found.of("ml.g5.xlarge") == built_in_prices().of("ml.g5.xlarge")


def test_prices_that_cannot_be_read_are_no_prices(ssm: Any) -> None:
    ssm.put_parameter(Name="/slipway/prices", Type="String", Value='{"date": "2026-12-01"}')

    with pytest.raises(InvalidInputError, match=r"the price list in /slipway/prices cannot be read: .*; mend it"):
        SsmPrices(ssm, stack="slipway").current()


def test_settings_hold_a_config_and_a_policy_that_no_config_contains(ssm: Any) -> None:
    settings = SsmSettings(ssm, stack="slipway")
    assert settings.policy("chat") == PolicySettings()
    value = {"bakeSeconds": 60, "policy": {"budget": {"monthDollars": "100.00"}}}
    ssm.put_parameter(Name="/slipway/endpoints/chat", Type="String", Value=json.dumps(value))

    assert settings.of("chat") == PartialConfig(bake_seconds=60)
    assert settings.of("chat").wire() == {"bakeSeconds": 60}
    assert settings.policy("chat").wire() == {"budget": {"monthDollars": "100.00"}}


def test_the_embedded_service_quotas_offers_what_the_adapter_calls() -> None:
    asked = {"GetServiceQuota", "GetAWSDefaultServiceQuota", "ListServiceQuotas", "ListAWSDefaultServiceQuotas"}

    assert asked <= set(ServiceQuotas.OPERATIONS)
    assert Quotas(Clock().time).value(KNOWN) == 20
