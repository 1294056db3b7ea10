"""Every hostile artifact is refused with the sentence that names its fault, and nothing of it is published."""

import json

import pytest

from release.contracts.examination import ExaminationReport
from release.contracts.steps import RolloutStep
from release.domain.phases import Phase
from release.domain.truth import Verdict
from release.flows.examination_report import report_key
from tests.builders.artifacts import artifact, sharded
from tests.builders.house import House
from tests.corpus.hostile.case import Hostile
from tests.corpus.hostile.corpus import HOSTILE

PREFIX = "models/chat/v1/"


def examined(case: Hostile) -> tuple[House, ExaminationReport]:
    """The case, dropped and examined."""
    house = House()
    house.push()
    if case.tarball:
        house.artifacts.objects[f"{PREFIX}model.tar.gz"] = case.tarball
        rollout = house.seal(f"{PREFIX}model.tar.gz")
    else:
        manifest = case.manifest or {"config": case.config} if case.config else case.manifest or {}
        house.artifacts.objects |= {PREFIX + path: body for path, body in case.files.items()}
        house.artifacts.objects[f"{PREFIX}manifest.json"] = json.dumps(manifest).encode()
        rollout = house.seal(f"{PREFIX}manifest.json")
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    judged = house.examining.examine(step)
    report = ExaminationReport.parse_text(house.artifacts.objects[report_key("chat", rollout)])
    assert (judged.verdict, judged.reason) == (Verdict(report.verdict), report.reason)
    assert (house.rollout(step).phase is Phase.EXAMINED) == (judged.verdict is Verdict.PASSED)
    return house, report


def problems_of(report: ExaminationReport) -> list[str]:
    return [problem for check in report.checks for problem in check.problems]


def test_the_corpus_is_as_large_as_it_claims() -> None:
    assert len({case.name for case in HOSTILE}) == len(HOSTILE) >= 60


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_hostile_artifact_is_refused_with_the_right_sentence(case: Hostile) -> None:
    house, report = examined(case)

    assert report.verdict == "failed"
    assert [problem for problem in problems_of(report) if case.sentence in problem], problems_of(report)
    assert not [key for key in house.artifacts.objects if key.startswith("published/")]


@pytest.mark.parametrize("files", [artifact(), sharded()], ids=["one file", "two shards"])
def test_the_artifact_that_the_corpus_spoils_is_sound(files: dict[str, bytes]) -> None:
    _, report = examined(Hostile("none", "", files))

    assert problems_of(report) == []
    assert report.verdict == "passed"
