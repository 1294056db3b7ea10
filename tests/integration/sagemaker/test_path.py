"""From model to answer to deletion, with boto3 over a socket."""

import os
import signal
import time

from tests.integration.sagemaker.conftest import Aws, manifest_digest


def test_a_model_becomes_an_endpoint_that_answers_streams_changes_and_goes(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    assert aws.invoke()["Body"].read() == b"one: 4 bytes"
    assert aws.stream("stream") == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]

    aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=aws.config("two"))
    assert aws.settled()["EndpointConfigName"] == "two"
    assert aws.invoke()["Body"].read() == b"two: 4 bytes"

    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.until(lambda: not aws.sagemaker.list_endpoints()["Endpoints"])
    assert aws.instances() == 0
    assert list((aws.world.state_dir / "instances").iterdir()) == []


def test_a_description_names_the_digest_the_counts_and_the_weight(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))

    (variant,) = aws.describe()["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2
    assert variant["DesiredInstanceCount"] == 2
    assert variant["CurrentWeight"] == 1.0
    assert variant["DeployedImages"][0]["SpecifiedImage"].endswith("/inference:v1")
    assert variant["DeployedImages"][0]["ResolvedImage"].endswith(f"/inference@{manifest_digest()}")
    assert "PendingDeploymentSummary" not in aws.describe()
    assert aws.instances() == 2


def test_the_container_finds_its_data_read_only_and_its_environment(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    facts = aws.facts()

    assert facts["files"] == {"config.json": "{}", "deep/weights.bin": "0123"}
    assert facts["modes"] == {"config.json": "0o444", "deep": "0o555", "deep/weights.bin": "0o444"}
    assert facts["path"] == "/invocations"


def test_a_killed_instance_is_replaced(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    killed = aws.facts()["pid"]

    os.kill(killed, signal.SIGKILL)

    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 0)
    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 1)
    assert aws.facts()["pid"] != killed
    assert aws.describe()["EndpointStatus"] == "InService"


def test_weights_and_capacities_change_in_place(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    wish = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2, "DesiredWeight": 3.0}

    aws.sagemaker.update_endpoint_weights_and_capacities(EndpointName="chat", DesiredWeightsAndCapacities=[wish])

    (variant,) = aws.settled()["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (2, 3.0)


def test_an_update_that_retains_variant_properties_keeps_the_count(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))

    aws.sagemaker.update_endpoint(
        EndpointName="chat", EndpointConfigName=aws.config("two"), RetainAllVariantProperties=True
    )

    assert aws.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def test_stopping_in_the_middle_of_a_bake_leaves_no_process(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600)
    aws.until(aws.baking)
    assert aws.instances() == 2

    aws.twin.stop()

    assert aws.instances() == 0


def test_stopping_waits_for_no_stream(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    with aws.open_stream("stream 400") as stream:
        next(iter(stream))
        began = time.monotonic()
        aws.twin.stop()
        took_s = time.monotonic() - began

    # A drain would have taken until the stream's limit of 2.5 s.
    assert took_s < 2
    assert aws.instances() == 0
