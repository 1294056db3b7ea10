"""`Transform: AWS::Serverless-2016-10-31`, by AWS's own translator."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import boto3
from moto.iam.aws_managed_policies import aws_managed_policies_data
from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.cloudformation.errors import ValidationError
from local.world import REGION


def transformed(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The plain CloudFormation document of a SAM template.

    Raises:
        ValidationError: SAM refuses the template; the message names each resource and why.
    """
    metrics = Metrics("ServerlessTransform", DummyMetricsPublisher())
    session = boto3.Session(region_name=REGION)
    translator = Translator(_managed_policies(), Parser(), boto_session=session, metrics=metrics)
    try:
        plain: dict[str, Any] = translator.translate(copy.deepcopy(dict(document)), parameter_values=dict(parameters))
    except InvalidDocumentException as error:
        reasons = "; ".join(cause.message for cause in error.causes)
        raise ValidationError(
            f"Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification "
            f"document. Number of errors found: {len(error.causes)}. {reasons}"
        ) from error
    finally:
        metrics.publish()  # to nowhere; the translator warns about metrics that were never published
    plain.pop("Transform", None)
    # The translator leaves objects of its own classes behind.
    result: dict[str, Any] = json.loads(json.dumps(plain, default=str))
    return result


def _managed_policies() -> dict[str, str]:
    """AWS's own policies, which `Policies` may name without their ARN."""
    return {name: f"arn:aws:iam::aws:policy{data['Path']}{name}" for name, data in _POLICIES.items()}


_POLICIES: dict[str, Any] = json.loads(aws_managed_policies_data)
