"""Endpoint configs: what CreateEndpointConfig takes, keeps and refuses."""

from typing import Any

from tests.conformance.case import TYPE, VARIANT, Case
from tests.conformance.suite import Area

AREA = Area("endpoint configs")
CREATE = "API reference, CreateEndpointConfig"
VARIANTS = "API reference, ProductionVariant"
NOT_FOUND = "aws/amazon-sagemaker-examples#2339, the refusal of a real account"


@AREA.check(f"{CREATE}, EndpointConfigArn")
def a_new_config_is_answered_with_its_arn(c: Case) -> None:
    name = c.name()
    answer = c.create_config(name, c.variant(c.model()))
    assert answer["EndpointConfigArn"] == c.target.arn("endpoint-config", name)


@AREA.check("API reference, DescribeEndpointConfig")
def a_config_is_described_as_it_was_created(c: Case) -> None:
    given: dict[str, Any] = {"InitialInstanceCount": 3, "InitialVariantWeight": 2.5, "InstanceType": TYPE}
    timeouts: dict[str, Any] = {
        "ModelDataDownloadTimeoutInSeconds": 60,
        "ContainerStartupHealthCheckTimeoutInSeconds": 3600,
    }
    config = c.config(**given, **timeouts)
    (found,) = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert found.items() >= {"VariantName": VARIANT, **given, **timeouts}.items()


@AREA.check(f"{VARIANTS}, InitialVariantWeight: 'If unspecified, it defaults to 1.0'")
def a_variant_without_a_weight_weighs_one(c: Case) -> None:
    (found,) = c.sagemaker.describe_endpoint_config(EndpointConfigName=c.config())["ProductionVariants"]
    assert found["InitialVariantWeight"] == 1.0


@AREA.check(f"{VARIANTS}, RoutingConfig")
def a_config_keeps_its_routing(c: Case) -> None:
    config = c.config(RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"})
    (found,) = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert found["RoutingConfig"]["RoutingStrategy"] == "LEAST_OUTSTANDING_REQUESTS"


@AREA.check(f"{VARIANTS}, InstanceType: ml.g5.4xlarge is in the enumeration")
def a_gpu_instance_may_serve(c: Case) -> None:
    c.config(InstanceType="ml.g5.4xlarge")


@AREA.check(f"{CREATE}, ProductionVariants: up to 10")
def a_config_may_have_two_variants(c: Case) -> None:
    config = c.two_variants(InitialVariantWeight=3)
    found = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert {v["VariantName"]: v["InitialVariantWeight"] for v in found} == {"one": 3.0, "two": 1.0}


@AREA.check("awslabs/spot-tagging-bot-for-digital-assets#2, the refusal of a real account")
def a_configs_name_is_taken_once(c: Case) -> None:
    config = c.config()
    with c.refused("ValidationException", f'^Cannot create already existing endpoint configuration ".*{config}"'):
        c.create_config(config, c.variant(c.model()))


@AREA.check("aws/sagemaker-python-sdk#2112: 'Could not find model', the words of a real account")
def a_config_needs_a_model_that_exists(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find model"):
        c.create_config(c.name(), c.variant(c.name("absent")))


@AREA.check(f"{CREATE}, ProductionVariants: each variant has a name of its own")
def variants_have_different_names(c: Case) -> None:
    variant = c.variant(c.model())
    with c.refused("ValidationException"):
        c.create_config(c.name(), variant, variant)


@AREA.check(f"{VARIANTS}, InitialInstanceCount: 'Number of instances to launch initially'")
def a_variant_of_instances_needs_their_number(c: Case) -> None:
    variant = c.variant(c.model())
    del variant["InitialInstanceCount"]
    with c.refused("ValidationException"):
        c.create_config(c.name(), variant)


@AREA.check(f"{VARIANTS}, InstanceType and InstancePools: one of them says what to launch")
def a_variant_of_instances_needs_their_type(c: Case) -> None:
    variant = c.variant(c.model())
    del variant["InstanceType"]
    with c.refused("ValidationException"):
        c.create_config(c.name(), variant)


@AREA.check("aws/sagemaker-python-sdk#4828: types with local NVMe disks take no volume size")
def a_type_with_local_disks_takes_no_volume_size(c: Case) -> None:
    with c.refused("ValidationException"):
        c.config(InstanceType="ml.g5.4xlarge", VolumeSizeInGB=100)


@AREA.check(f"{VARIANTS}, VolumeSizeInGB")
def a_type_without_local_disks_takes_a_volume_size(c: Case) -> None:
    config = c.config(VolumeSizeInGB=100)
    (found,) = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    assert found["VolumeSizeInGB"] == 100


@AREA.check(NOT_FOUND)
def a_config_that_does_not_exist_cannot_be_described(c: Case) -> None:
    with c.refused("ValidationException", '^Could not find endpoint configuration ".*"'):
        c.sagemaker.describe_endpoint_config(EndpointConfigName=c.name())


@AREA.check(NOT_FOUND)
def a_config_that_does_not_exist_cannot_be_deleted(c: Case) -> None:
    with c.refused("ValidationException", '^Could not find endpoint configuration ".*"'):
        c.sagemaker.delete_endpoint_config(EndpointConfigName=c.name())


@AREA.check("API reference, DeleteEndpointConfig")
def a_deleted_config_is_gone_and_its_name_is_free(c: Case) -> None:
    model = c.model()
    config = c.config(model)
    c.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    with c.refused("ValidationException", "^Could not find endpoint configuration"):
        c.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    c.create_config(config, c.variant(model))
