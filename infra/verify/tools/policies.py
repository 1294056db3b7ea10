"""Checker of identity policies."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.verify.arns import resolved
from infra.verify.findings import Finding
from infra.verify.running import environment, output
from infra.verify.subjects import Subjects

_HAS_POLICIES = {"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"}
_IS_POLICY = {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}


def parliament(subjects: Subjects, folder: Path) -> list[Finding]:
    """Actions that do not exist, resources that an action does not know, conditions that it does not have."""
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    for template, document in subjects.templates.items():
        for name, policy in identity_policies(document):
            (policies / f"{template}.{name}.json").write_text(json.dumps(resolved(policy, document)))
    said = output([environment(".venv-parliament", "parliament"), "--directory", policies, "--json"])
    return [_finding(json.loads(line)) for line in said.splitlines()]


def identity_policies(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`<logical id>.<n>` and the policy document, intrinsics unresolved."""
    for name, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] in _HAS_POLICIES:
            for number, policy in enumerate(properties.get("Policies", [])):
                yield f"{name}.{number}", policy["PolicyDocument"]
        elif resource["Type"] in _IS_POLICY:
            yield f"{name}.0", properties["PolicyDocument"]


def _finding(found: dict[str, Any]) -> Finding:
    template, logical_id, _ = Path(found["location"]["filepath"]).name.split(".", 2)
    return Finding("parliament", found["issue"], f"{template}/{logical_id}", f"{found['title']}: {found['detail']}")
