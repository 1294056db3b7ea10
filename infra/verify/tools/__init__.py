"""Checkers that others wrote: each reads what `Subjects.write` wrote, and answers findings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.verify.findings import Finding
from infra.verify.subjects import Subjects
from infra.verify.tools import dockerfiles, machines, policies, templates

Check = Callable[[Subjects, Path], list[Finding]]


@dataclass(frozen=True)
class Checker:
    """A tool, and a planted fault that it must report in every run to count as alive."""

    name: str
    check: Check
    rule: str
    resource: str


CHECKERS = (
    Checker("cfn-lint", templates.cfn_lint, "E3002", "planted/Misspelt"),
    Checker("checkov", templates.checkov, "CKV_AWS_21", "planted/Bucket"),
    Checker("cfn-guard", templates.cfn_guard, "s3_bucket_logging_enabled_check", "planted/Bucket"),
    Checker("cdk-nag", templates.cdk_nag, "AwsSolutions-S1", "planted/Bucket"),
    Checker("cdk-nag", templates.cdk_nag, "NIST.800.53.R5-S3BucketLoggingEnabled", "planted/Bucket"),
    Checker("cdk-nag", templates.cdk_nag, "Serverless-LambdaTracing", "planted/Function"),
    Checker("parliament", policies.parliament, "UNKNOWN_ACTION", "planted/Role"),
    Checker("statelint", machines.statelint, "statelint", "planted_way.asl/Lost"),
    Checker("asl-validator", machines.asl_validator, "MISSING_TRANSITION_TARGET", "planted_way.asl"),
    Checker("asl-validator", machines.asl_validator, "SCHEMA_VALIDATION_FAILED", "planted_word.asl/Wrong word"),
    Checker("hadolint", dockerfiles.hadolint, "DL3020", "planted/Dockerfile"),
)
