"""A real account of AWS as a target: asked for by name, checked to be the one, and left as it was found."""

import argparse
import contextlib
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from tests.conformance.targets import Need, Target

_PATIENCE_S = 3600
_CLEANING_S = 2 * 3600  # an endpoint may bake for an hour before it can be deleted
_PAUSE_S = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a real account (--target aws); all but the last are needed")
    group.add_argument("--account", help="the account's 12 digits; the credentials must be of this account")
    group.add_argument("--region", help="the Region, eu-central-1")
    group.add_argument(
        "--image", help="URI by digest of the image of tests/conformance/Dockerfile in that account's ECR"
    )
    group.add_argument("--i-accept-costs", action="store_true", help="you pay for what the checks start")
    group.add_argument(
        "--start-instances", action="store_true", help="also ask what needs instances: hours and dollars"
    )


@contextmanager
def aws(arguments: argparse.Namespace) -> Iterator[Target]:
    """The account, if everything that was asked for was given.

    Raises:
        SystemExit: an argument is missing or wrong, or the credentials are of another account.
    """
    _need(arguments)
    lacks = {
        Need.FAULTS: "cannot be provoked on AWS",
        Need.KNOWN_QUOTA: "the account's quotas are not the suite's to choose",
    }
    if not arguments.start_instances:
        lacks[Need.INSTANCES] = "starts instances; give --start-instances"
    prefix = f"conformance-{secrets.token_hex(3)}"
    target = Target(
        "aws",
        None,
        arguments.account,
        arguments.region,
        _PATIENCE_S,
        _PAUSE_S,
        arguments.image,
        prefix=prefix,
        lacks=lacks,
    )
    found = target.clients["sts"].get_caller_identity()["Account"]
    if found != arguments.account:
        sys.exit(f"the credentials are of account {found}, not of {arguments.account}; nothing was asked or made")
    try:
        yield target
    finally:
        clean_up(target)


def _need(arguments: argparse.Namespace) -> None:
    given = {
        "--account": re.fullmatch(r"\d{12}", arguments.account or ""),
        "--region": arguments.region,
        "--image": re.fullmatch(r"\d{12}\.dkr\.ecr\..+@sha256:[0-9a-f]{64}", arguments.image or ""),
        "--i-accept-costs": arguments.i_accept_costs,
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        sys.exit(f"--target aws needs {', '.join(given)}; missing or malformed: {', '.join(missing)}")


def clean_up(target: Target) -> None:
    """Delete whatever carries the prefix of this run; endpoints first, since the rest is what they need to go."""
    _delete_endpoints(target)
    sagemaker, prefix = target.clients["sagemaker"], target.prefix
    lists = {"endpoint_config": ("EndpointConfigs", "EndpointConfigName"), "model": ("Models", "ModelName")}
    for kind, (many, name) in lists.items():
        for page in sagemaker.get_paginator(f"list_{kind}s").paginate(NameContains=prefix):
            for found in page[many]:
                _forgiving(getattr(sagemaker, f"delete_{kind}"), **{name: found[name]})
    _delete_messages(target)
    _delete_observations(target)
    _delete_roles(target)
    for found in target.clients["s3"].list_objects_v2(Bucket=target.bucket).get("Contents", []):
        _forgiving(target.clients["s3"].delete_object, Bucket=target.bucket, Key=found["Key"])
    _forgiving(target.clients["s3"].delete_bucket, Bucket=target.bucket)


def _delete_endpoints(target: Target) -> None:
    sagemaker = target.clients["sagemaker"]
    deadline = time.monotonic() + _CLEANING_S
    while found := sagemaker.list_endpoints(NameContains=target.prefix, MaxResults=100)["Endpoints"]:
        if time.monotonic() > deadline:
            names = ", ".join(each["EndpointName"] for each in found)
            sys.stderr.write(f"not deleted after {_CLEANING_S} s, and billed until you delete them: {names}\n")
            return
        for endpoint in found:
            # An endpoint in progress refuses; the next round asks again.
            _forgiving(sagemaker.delete_endpoint, EndpointName=endpoint["EndpointName"])
        time.sleep(target.pause_s)


def _delete_messages(target: Target) -> None:
    events, sqs = target.clients["events"], target.clients["sqs"]
    _forgiving(events.remove_targets, Rule=target.prefix, Ids=["queue"])
    _forgiving(events.delete_rule, Name=target.prefix)
    for url in sqs.list_queues(QueueNamePrefix=target.prefix).get("QueueUrls", []):
        _forgiving(sqs.delete_queue, QueueUrl=url)


def _delete_observations(target: Target) -> None:
    cloudwatch, logs = target.clients["cloudwatch"], target.clients["logs"]
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=target.prefix):
        for alarm in page["MetricAlarms"]:
            _forgiving(cloudwatch.delete_alarms, AlarmNames=[alarm["AlarmName"]])
    group_prefix = f"/aws/sagemaker/Endpoints/{target.prefix}"
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group_prefix):
        for group in page["logGroups"]:
            _forgiving(logs.delete_log_group, logGroupName=group["logGroupName"])


def _delete_roles(target: Target) -> None:
    iam = target.clients["iam"]
    for page in iam.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if role["RoleName"].startswith(target.prefix):
                _forgiving(iam.delete_role_policy, RoleName=role["RoleName"], PolicyName="inline")
                _forgiving(iam.delete_role, RoleName=role["RoleName"])


def _forgiving(call: object, **arguments: object) -> None:
    assert callable(call)
    with contextlib.suppress(ClientError):
        call(**arguments)
