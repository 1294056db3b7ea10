"""Checkers of plain CloudFormation."""

import platform
import re
from pathlib import Path
from typing import Any

from infra.verify.findings import Finding
from infra.verify.running import NODE, CheckerRefusedError, answer, environment, installed
from infra.verify.subjects import Subjects

_GUARD = NODE / "node_modules" / "@cdklabs" / "cdk-validator-cfnguard"
_GUARD_FAILED = 19  # its exit code for "a rule failed"
_CFN_LINT_CODES = tuple(range(16))  # a sum of 2, 4 and 8 for errors, warnings and information
_BINARIES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos"}


def cfn_lint(subjects: Subjects, folder: Path) -> list[Finding]:
    """CloudFormation's resource schemas, https://github.com/aws-cloudformation/cfn-lint."""
    argv: list[str | Path] = [environment(".venv", "cfn-lint"), "--format", "json", *_files(subjects, folder)]
    return [
        Finding("cfn-lint", each["Rule"]["Id"], _lint_place(each), each["Message"])
        for each in answer(argv, _CFN_LINT_CODES)
    ]


def _lint_place(found: dict[str, Any]) -> str:
    path = [str(step) for step in found["Location"].get("Path") or []]
    return f"{Path(found['Filename']).stem}/{path[1] if path[:1] == ['Resources'] and len(path) > 1 else '-'}"


def checkov(subjects: Subjects, folder: Path) -> list[Finding]:
    """Checkov's policies for CloudFormation and Dockerfiles, without its download of further ones."""
    argv: list[str | Path] = [environment(".venv-checkov", "checkov"), "--skip-download", "--quiet", "--compact"]
    argv += ["--framework", "cloudformation", "dockerfile", "--output", "json"]
    for path in [*_files(subjects, folder), *subjects.dockerfiles.values()]:
        argv += ["--file", path]
    reports = answer(argv)
    dockerfiles = {str(path.resolve()): name for name, path in subjects.dockerfiles.items()}
    return [
        Finding("checkov", each["check_id"], _checkov_place(each, dockerfiles), each["check_name"])
        for report in (reports if isinstance(reports, list) else [reports])
        for each in report["results"]["failed_checks"]
    ]


def _checkov_place(found: dict[str, Any], dockerfiles: dict[str, str]) -> str:
    path = str(Path(found["file_abs_path"]).resolve())
    return dockerfiles.get(path) or f"{Path(path).stem}/{found['resource'].rpartition('.')[2]}"


def cfn_guard(subjects: Subjects, folder: Path) -> list[Finding]:
    """AWS Control Tower's proactive controls, as CloudFormation Guard's own program judges them."""
    system, machine = _SYSTEMS.get(platform.system()), _BINARIES.get(platform.machine())
    if not system or not machine:
        raise CheckerRefusedError(f"cfn-guard has no program for {platform.system()} on {platform.machine()}")
    program = installed(_GUARD / "bin" / system / machine / "cfn-guard", "make infra/verify/node/.ready")
    argv: list[str | Path] = [program, "validate", "--rules", _GUARD / "rules" / "control-tower" / "cfn-guard"]
    argv += ["--structured", "--output-format", "json", "--show-summary", "none"]
    for path in _files(subjects, folder):
        argv += ["--data", path]
    return [
        Finding("cfn-guard", rule["Rule"]["name"], f"{Path(report['name']).stem}/{resource}", _control(str(rule)))
        for report in answer(argv, (0, _GUARD_FAILED))
        for rule in report["not_compliant"]
        for resource in sorted(set(re.findall(r"/Resources/(\w+)", str(rule)))) or ["-"]
    ]


def _control(rule: str) -> str:
    found = re.search(r"\[(CT\.[^\]]+)\]: ([^\\]+)", rule)
    return f"{found[1]}: {found[2].strip()}" if found else "no control named"


def cdk_nag(subjects: Subjects, folder: Path) -> list[Finding]:
    """cdk-nag's packs AwsSolutions, NIST 800-53 r5 and Serverless."""
    installed(NODE / "node_modules" / "cdk-nag", "make infra/verify/node/.ready")
    found = answer(["node", NODE / "nag.js", *_files(subjects, folder)], (0,), NODE)
    return [Finding("cdk-nag", each["rule"], each["resource"], each["message"]) for each in found]


def _files(subjects: Subjects, folder: Path) -> list[Path]:
    return [folder / f"{name}.json" for name in subjects.templates]
