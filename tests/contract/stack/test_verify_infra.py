"""The short form of `make verify-infra`: the rules that no checker has; the long form runs with the long proof."""

import subprocess
import sys
from functools import cache

import pytest

from infra.verify.__main__ import LIMITS, SUPPRESSIONS
from infra.verify.findings import OWN, Finding, read_suppressions, unsuppressed
from infra.verify.rules import RULES, own_findings
from infra.verify.subjects import PLANT, ROOT, Subjects, plants, product, together
from tests.contract.stack.documents import MACHINES, TEMPLATES


@cache
def subjects() -> Subjects:
    return together(product(), plants())


@cache
def found() -> list[Finding]:
    return own_findings(subjects())


def test_every_template_machine_and_dockerfile_of_the_product_is_looked_at() -> None:
    real = product()

    assert {f"{name}.yaml" for name in real.templates} == {name.rpartition("/")[2] for name in TEMPLATES}
    assert set(real.machines) == set(MACHINES)
    assert set(real.dockerfiles) == {"inference_image/Dockerfile", "ui/Dockerfile"}


def test_our_own_rules_find_nothing_that_is_not_accepted_with_a_reason() -> None:
    accepted = [one for one in read_suppressions(SUPPRESSIONS, LIMITS.read_text()) if one.tool == OWN]

    assert unsuppressed([each for each in found() if not each.resource.startswith(PLANT)], accepted) == []


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_of_our_own_reports_the_fault_that_was_planted_for_it(rule: str) -> None:
    assert [each for each in found() if each.rule == rule and each.resource.startswith(PLANT)]


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_every_checker_is_alive_and_finds_nothing_that_is_not_accepted() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.verify"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=800
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" findings, 0 unsuppressed")
