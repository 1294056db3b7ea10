"""The report of an examination: what it says of the headline model, how little was read for it, who may read it."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from release.contracts.examination import ExaminationReport
from release.contracts.steps import RolloutStep
from release.domain.truth import Verdict
from release.flows.examination_report import report_key
from tests.builders import stablelm
from tests.builders.house import House
from tests.fakes.folder import FolderArtifacts

EVENTS = Path(__file__).parents[3] / "events/release"
SCHEMA = json.loads((EVENTS / "examination.schema.json").read_text(encoding="utf-8"))
EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(EVENTS.glob("examination.*.json"))
    if "example" in path.name
]


@pytest.fixture
def house(tmp_path: Path) -> House:
    stablelm.lay_out(tmp_path / "models/chat/v1")
    (tmp_path / "models/chat/v1/manifest.json").write_text("{}")
    return House(artifacts=FolderArtifacts(tmp_path))


def test_three_billion_parameters_are_examined_by_a_thousandth_of_their_bytes(house: House) -> None:
    house.push()
    rollout = house.seal("models/chat/v1/manifest.json")
    assert rollout is not None
    bucket = house.artifacts
    assert isinstance(bucket, FolderArtifacts)
    bucket.bytes_read = 0

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    report = ExaminationReport.parse_text(bucket.objects[report_key("chat", rollout)])
    assert judged.verdict is Verdict.PASSED, judged.reason
    assert report.artifact_bytes > 5_590_886_400
    assert bucket.bytes_read < report.artifact_bytes / 1000
    # The manifest is read beside what the report counts.
    assert report.bytes_read == bucket.bytes_read - len("{}")


def test_the_report_is_an_x_ray_of_the_model(house: House) -> None:
    house.push()
    rollout = house.seal("models/chat/v1/manifest.json")
    assert rollout is not None
    house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    report = ExaminationReport.parse_text(house.artifacts.objects[report_key("chat", rollout)])

    assert report.model is not None
    assert (report.model.parameters, report.model.bytes_by_dtype) == (stablelm.PARAMETERS, {"BF16": 5_590_886_400})
    (memory,) = report.memory
    # 2 * 32 layers * 32 heads * 80 dimensions * 2 bytes; 0.9 of an A10G's 22,888 MiB; weights at two bytes each.
    assert (memory.kv_bytes_per_token, memory.weight_bytes) == (327_680, 5_590_886_400)
    assert memory.usable_bytes == 22_888 * 2**20 * 9 // 10
    # (21.6 - 5.59 - 0.18) GB / 327,680 B: eleven requests of 4,096 tokens, of the sixteen that run together.
    assert (memory.fits, memory.full_requests, memory.concurrency) == (True, 11, 16)


def test_every_example_of_the_report_keeps_schema_and_contract() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        Draft202012Validator(SCHEMA).validate(example)
        assert ExaminationReport.parse(example).wire() == example


def test_schema_and_contract_have_the_same_fields() -> None:
    fields = {field.alias: field.is_required() for field in ExaminationReport.model_fields.values()}

    assert fields.keys() == SCHEMA["properties"].keys()
    assert {name for name, required in fields.items() if required} == set(SCHEMA["required"])


@pytest.mark.parametrize("place", ["checks", "memory", "model"])
def test_what_the_schema_refuses_inside_a_report_the_contract_refuses(place: str) -> None:
    whole = next(example for example in EXAMPLES if example["verdict"] == "passed")
    for name in whole[place] if place == "model" else whole[place][0]:
        broken = copy.deepcopy(whole)
        part = broken[place] if place == "model" else broken[place][0]
        part[name] = -1

        assert not Draft202012Validator(SCHEMA).is_valid(broken)
        with pytest.raises(Exception, match="ExaminationReport breaks its contract"):
            ExaminationReport.parse(broken)
