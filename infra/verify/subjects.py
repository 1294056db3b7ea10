"""What the checkers look at: plain CloudFormation, rendered machines and Dockerfiles, written to one folder."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
PLANTS = Path(__file__).parent / "plants"
PLANT = "planted"  # first word of the name of everything that has a fault on purpose
SAM = "AWS::Serverless-2016-10-31"
REGION = "us-east-1"
_PACKAGED = {"CodeUri": "s3://bucket/code.zip", "Location": "https://s3.us-east-1.amazonaws.com/bucket/child.yaml"}
_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Machine:
    """A state machine as the service receives it.

    Args:
        name: the file's stem, or `planted`.
        source: the text with its `${…}`.
        substitutions: what the template gives for them, unresolved.
        definition: the states language with an ARN of the right form in every place of a substitution.
    """

    name: str
    source: str
    substitutions: Mapping[str, Any]
    definition: dict[str, Any]


@dataclass(frozen=True)
class Subjects:
    """Everything that is checked: templates by the file's stem, Dockerfiles by their path in the repository."""

    sources: dict[str, dict[str, Any]]  # as written, intrinsics in their long form
    templates: dict[str, dict[str, Any]]  # after the SAM transform, machines inlined
    machines: dict[str, Machine]
    dockerfiles: dict[str, Path]

    def write(self, folder: Path) -> None:
        """Write `<name>.json` for each template and `<name>.asl.json` for each machine."""
        for name, document in self.templates.items():
            (folder / f"{name}.json").write_text(json.dumps(document, indent=1))
        for name, machine in self.machines.items():
            (folder / f"{name}.asl.json").write_text(json.dumps(machine.definition, indent=1))


def product() -> Subjects:
    """The stack that is deployed, and the images that run in it."""
    files = [ROOT / "template.yaml", *sorted((ROOT / "infra").glob("*.yaml"))]
    dockerfiles = sorted(ROOT.glob("*/Dockerfile"))
    return _read(files, {path.relative_to(ROOT).as_posix(): path for path in dockerfiles})


def plants() -> Subjects:
    """Faults on purpose, one for each checker and each rule of our own; their names begin with `planted`."""
    return _read([PLANTS / f"{PLANT}.yaml"], {f"{PLANT}/Dockerfile": PLANTS / "Dockerfile"})


def together(*several: Subjects) -> Subjects:
    """All of them as one, so that a checker runs once."""
    return Subjects(
        sources={name: each for one in several for name, each in one.sources.items()},
        templates={name: each for one in several for name, each in one.templates.items()},
        machines={name: each for one in several for name, each in one.machines.items()},
        dockerfiles={name: each for one in several for name, each in one.dockerfiles.items()},
    )


def _read(files: list[Path], dockerfiles: dict[str, Path]) -> Subjects:
    sources = {path.stem: _parsed(path) for path in files}
    machines = {machine.name: machine for path in files for machine in _machines(sources[path.stem], path.parent)}
    templates = {name: plain(document, machines) for name, document in sources.items()}
    return Subjects(sources, templates, machines, dockerfiles)


def _parsed(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml_parse(path.read_text())  # type: ignore[no-untyped-call] # ships no types
    return document


def _machines(document: Mapping[str, Any], folder: Path) -> Iterator[Machine]:
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            properties = resource["Properties"]
            path = folder / properties["DefinitionUri"]
            source = path.read_text()
            yield Machine(
                name=path.name.removesuffix(".asl.yaml"),
                source=source,
                substitutions=properties.get("DefinitionSubstitutions", {}),
                definition=yaml.safe_load(_SUBSTITUTION.sub(_stand_in, source)),
            )


def _stand_in(found: re.Match[str]) -> str:
    return f"arn:aws:lambda:{REGION}:123456789012:function:{found[1]}" if found[1].endswith("Arn") else found[1]


def plain(document: Mapping[str, Any], machines: Mapping[str, Machine]) -> dict[str, Any]:
    """The template after AWS's own SAM translator, with paths as `sam package` leaves them and machines inlined."""
    packaged = copy.deepcopy(dict(document))
    names = {name: _package(resource) for name, resource in packaged["Resources"].items()}
    _point_away(packaged.get("Globals", {}).get("Function", {}))
    if packaged.get("Transform") == SAM:
        packaged = _translated(packaged)
    for name, machine in names.items():
        if machine:
            properties = packaged["Resources"][name]["Properties"]
            properties.pop("DefinitionS3Location")
            properties.pop("DefinitionSubstitutions", None)
            properties["DefinitionString"] = json.dumps(machines[machine].definition)
    return packaged


def _package(resource: dict[str, Any]) -> str:
    """Point local paths of a resource away; returns the machine's name if it is one."""
    properties = resource.get("Properties", {})
    _point_away(properties)
    if resource["Type"] != "AWS::Serverless::StateMachine":
        return ""
    name = Path(properties["DefinitionUri"]).name.removesuffix(".asl.yaml")
    properties["DefinitionUri"] = f"s3://bucket/{name}"
    return name


def _point_away(properties: dict[str, Any]) -> None:
    for key, value in _PACKAGED.items():
        if isinstance(properties.get(key), str):
            properties[key] = value


def _translated(document: dict[str, Any]) -> dict[str, Any]:
    metrics = Metrics("ServerlessTransform", DummyMetricsPublisher())
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION), metrics=metrics)
    translated = translator.translate(document, parameter_values={})
    metrics.publish()  # to nowhere; the translator warns about metrics that were never published
    translated.pop("Transform", None)
    # The translator leaves objects of its own classes behind.
    result: dict[str, Any] = json.loads(json.dumps(translated, default=str))
    return result
