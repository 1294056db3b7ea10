"""What is accepted is accepted by name, for a reason, and only while it is there."""

from pathlib import Path

import pytest

from infra.verify.findings import Finding, Suppression, SuppressionError, read_suppressions, unsuppressed

LIMITS = "- The load balancer speaks plain HTTP."
FOUND = Finding("checkov", "CKV_AWS_2", "chat/Listener", "Ensure ALB protocol is HTTPS")


def written(folder: Path, line: str) -> Path:
    path = folder / "suppressions.txt"
    path.write_text(f"# why\n\n{line}\n")
    return path


@pytest.mark.parametrize(
    ("tool", "rule", "resource", "covers"),
    [
        pytest.param("checkov", "CKV_AWS_2", "chat/Listener", True, id="the very finding"),
        pytest.param("checkov", "CKV_AWS_2", "chat/*", True, id="any resource of the template"),
        pytest.param("checkov", "CKV_AWS_*", "*/Listener", True, id="any rule that begins so"),
        pytest.param("cdk-nag", "CKV_AWS_2", "chat/Listener", False, id="another tool"),
        pytest.param("checkov", "CKV_AWS_20", "chat/Listener", False, id="another rule"),
        pytest.param("checkov", "CKV_AWS_2", "chat/Listen", False, id="only the beginning of the name"),
        pytest.param("checkov", "CKV?AWS_2", "chat/Listener", False, id="no other sign stands for anything"),
    ],
)
def test_a_suppression_covers_what_it_names(tool: str, rule: str, resource: str, *, covers: bool) -> None:
    assert Suppression(tool, rule, resource, "a reason", 1).covers(FOUND) is covers


def test_brackets_in_a_rule_are_plain_signs() -> None:
    rule = "AwsSolutions-IAM5[Resource::*]"
    found = Finding("cdk-nag", rule, "template/Role", "wildcard")

    assert Suppression("cdk-nag", rule, "template/Role", "a reason", 1).covers(found)


def test_a_suppression_that_covers_nothing_is_a_finding_with_its_line() -> None:
    idle = Suppression("checkov", "CKV_AWS_1", "chat/Gone", "a reason", 7)

    (left,) = unsuppressed([], [idle])

    assert (left.rule, left.resource) == ("matches-nothing", "line 7")


def test_what_nothing_covers_is_left() -> None:
    other = Finding("hadolint", "DL3020", "ui/Dockerfile", "Use COPY")
    accepted = Suppression("checkov", "CKV_AWS_2", "chat/*", "a reason", 1)

    assert unsuppressed([FOUND, other], [accepted]) == [other]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("checkov | CKV_AWS_2 | chat/Listener", "3 fields", id="no reason"),
        pytest.param("checkov | CKV_AWS_2 | chat/Listener | not needed", "fewer than 4 words", id="hardly a reason"),
        pytest.param("checkov | CKV_AWS_2 | chat/Listener | HTTPS is not built yet", "quote", id="no limit quoted"),
        pytest.param(
            'checkov | CKV_AWS_2 | chat/Listener | not built yet, limits: "no firewall"',
            "docs/limits.md does not say",
            id="a limit that is not admitted",
        ),
    ],
)
def test_a_line_that_accepts_without_saying_why_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(SuppressionError, match=reason) as refused:
        read_suppressions(written(tmp_path, line), LIMITS)

    assert "suppressions.txt:3" in str(refused.value)


def test_a_limit_that_is_admitted_is_a_reason(tmp_path: Path) -> None:
    line = 'checkov | CKV_AWS_2 | chat/Listener | not built yet, limits: "speaks plain HTTP"'

    assert read_suppressions(written(tmp_path, line), LIMITS)[0].covers(FOUND)
