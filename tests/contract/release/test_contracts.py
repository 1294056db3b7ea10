"""`events/` is the law: the models of release.contracts accept what the schemas accept, and nothing else."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from release.contracts.artifact import Manifest
from release.contracts.aws_events import CustomResourceRequest, EcrImageAction, ObjectCreated
from release.contracts.base import AwsEvent, Contract
from release.contracts.config import Config, PartialConfig
from release.contracts.golden import GoldenPrompt
from release.contracts.machines import Notification, OperateInput, RollbackInput, parse_release_input
from release.contracts.operation import Operated
from release.contracts.settings import EndpointSettings
from release.contracts.sweep import DriftFound, SweepInput
from release.contracts.table import (
    EndpointItem,
    ImageItem,
    LeaseItem,
    LedgerItem,
    ReleaseItem,
    RolloutItem,
    SealItem,
    WaitingItem,
)
from release.errors import InvalidInputError

EVENTS = Path(__file__).parents[3] / "events"
MODELS: dict[str, type[Contract]] = {
    "artifact/golden-prompt": GoldenPrompt,
    "artifact/manifest": Manifest,
    "release/config": Config,
    "release/settings": EndpointSettings,
    "release/operate-input": OperateInput,
    "release/operate-output": Operated,
    "release/rollback-input": RollbackInput,
    "release/notification": Notification,
    "release/drift-found": DriftFound,
    "release/sweep-input": SweepInput,
    "table/endpoint": EndpointItem,
    "table/image": ImageItem,
    "table/lease": LeaseItem,
    "table/ledger": LedgerItem,
    "table/release": ReleaseItem,
    "table/rollout": RolloutItem,
    "table/seal": SealItem,
    "table/waiting": WaitingItem,
}
Parse = Callable[[Any], Contract]
PARSERS: dict[str, Parse] = {name: model.parse for name, model in MODELS.items()} | {
    "release/release-input": parse_release_input
}
# Edges of the schemas' bounds and shapes that a careless reader takes for the right one.
STRANGE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 4, 5, 50, 51, 100, 101, 3600, 3601, 1.5, "", " ", "1", "Chat", "a--b", "a" * 21,
    "3f2a91c07d4e", "3f2a91c07d4e-0", "3f2a91c07d4e-1", "2026-11-23T12:00:00Z", "2026-11-23 12:00", "live", "auto",
    "x@sha256:" + "0" * 64, "0" * 64, "G" * 64, "models/chat/v1", "endpoint#chat", "seal#" + "0" * 64, "../x", [], {},
    ["ml.g5.4xlarge"], ["g5"], ["ml.a.b"] * 6, {"SLIPWAY_THREADS": "4"}, {"LD_PRELOAD": "x"}, {"SLIPWAY_THREADS": 4},
)  # fmt: skip


def examples(name: str) -> list[Any]:
    found = sorted(EVENTS.glob(f"{name}.*example.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return loaded


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def mutants(example: Any) -> Iterator[Any]:
    """Every place of the example replaced by every strange value, left out, or given a field more."""
    for *path, last in (place for place in places(example) if place):
        for strange in STRANGE:
            mutant = copy.deepcopy(example)
            at(mutant, path)[last] = strange
            yield mutant
        mutant = copy.deepcopy(example)
        del at(mutant, path)[last]
        yield mutant
    for place in places(example):
        if isinstance(at(example, place), dict):
            mutant = copy.deepcopy(example)
            at(mutant, place)["surprise"] = 1
            yield mutant


def at(value: Any, path: Any) -> Any:
    for step in path:
        value = value[step]
    return value


def accepts(parse: Parse, value: Any) -> bool:
    try:
        parse(value)
    except InvalidInputError:
        return False
    return True


@pytest.mark.parametrize("name", PARSERS)
def test_every_example_parses_and_comes_back_the_same(name: str) -> None:
    found = examples(name)

    assert found
    assert [PARSERS[name](example).wire() for example in found] == found


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_schema_s_fields_and_no_others(name: str) -> None:
    fields = {field.alias: field.is_required() for field in MODELS[name].model_fields.values()}
    law = schema(name)

    assert fields.keys() == law["properties"].keys()
    assert {field for field, required in fields.items() if required} == set(law.get("required", ()))


@pytest.mark.parametrize("name", PARSERS)
def test_model_and_schema_agree_on_mutated_examples(name: str) -> None:
    validator, parse = Draft202012Validator(schema(name)), PARSERS[name]
    tried = [mutant for example in examples(name) for mutant in mutants(example)]
    disagreed = [mutant for mutant in tried if accepts(parse, mutant) != validator.is_valid(mutant)]

    assert tried
    assert disagreed == []


@pytest.mark.parametrize(
    ("model", "name"), [(ObjectCreated, "aws/s3-object-created"), (EcrImageAction, "aws/ecr-image-action")]
)
def test_aws_events_are_read_with_fields_that_aws_adds_later(
    model: type[ObjectCreated | EcrImageAction], name: str
) -> None:
    for example in examples(name):
        later = copy.deepcopy(example)
        later["added-later"] = later["detail"]["added-later"] = {"by": "AWS"}

        assert model.parse(later) == model.parse(example)


@pytest.mark.parametrize(
    ("model", "name", "field"),
    [
        (ObjectCreated, "aws/s3-object-created", ("detail", "object", "key")),
        (ObjectCreated, "aws/s3-object-created", ("detail", "bucket", "name")),
        (ObjectCreated, "aws/s3-object-created", ("time",)),
        (EcrImageAction, "aws/ecr-image-action", ("detail", "image-digest")),
        (EcrImageAction, "aws/ecr-image-action", ("detail", "result")),
        (CustomResourceRequest, "aws/custom-resource-request", ("ResponseURL",)),
        (CustomResourceRequest, "aws/custom-resource-request", ("RequestType",)),
    ],
)
def test_an_aws_event_without_what_is_read_is_refused_by_the_field_s_name(
    model: type[AwsEvent], name: str, field: tuple[str, ...]
) -> None:
    (example,) = examples(name)
    *path, last = field
    del at(example, path)[last]

    with pytest.raises(InvalidInputError, match=last):
        model.parse(example)


def test_a_broken_contract_names_every_field_at_fault() -> None:
    with pytest.raises(InvalidInputError, match=r"PartialConfig.*strategy.*bakeSeconds"):
        PartialConfig.parse({"bakeSeconds": -1, "strategy": "hope"})
