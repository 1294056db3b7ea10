"""The bill of materials of a model (AI-BOM): a CycloneDX 1.6 document with a machine-learning-model component.

Source: https://cyclonedx.org/docs/1.6/json/ (component type `machine-learning-model`, `modelCard`, `pedigree`).
It has no time and no random number, so the same artifact has the same bill.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from release.domain.examination.architecture import MODEL_TYPES
from slipway.packaging.sources import InputFile

BILL = "bom.cdx.json"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/schema/bom-1.6.schema.json")


@dataclass(frozen=True)
class Subject:
    """What the bill is about.

    Args:
        licence: an SPDX id or a name; empty if nobody said.
        recipe: how the artifact was made, name → text.
        libraries: name → version of what made it.
    """

    name: str
    architecture: str
    origin: str
    revision: str
    licence: str
    recipe: Mapping[str, str]
    libraries: Mapping[str, str]


def bill_of(subject: Subject, inputs: Sequence[InputFile], files: Mapping[str, str]) -> bytes:
    """Args: files: path → SHA-256 in hex of what lies in the artifact."""
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _model(subject, inputs)},
        "components": [
            *(_file(path, digest) for path, digest in sorted(files.items())),
            *(_library(name, version) for name, version in sorted(subject.libraries.items())),
        ],
        "dependencies": [
            {"ref": "model", "dependsOn": [f"file:{path}" for path in sorted(files)]},
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return (json.dumps(document | {"serialNumber": f"urn:uuid:{serial}"}, indent=2, sort_keys=True) + "\n").encode()


def _model(subject: Subject, inputs: Sequence[InputFile]) -> dict[str, Any]:
    ancestor = {
        "type": "machine-learning-model",
        "name": subject.origin,
        **({"version": subject.revision} if subject.revision else {}),
        "components": [_file(one.path, one.sha256, of="source") for one in inputs],
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": subject.name,
        **({"licenses": [{"license": {"name": subject.licence}}]} if subject.licence else {}),
        "modelCard": {
            "modelParameters": {
                "task": "text-generation",
                "architectureFamily": MODEL_TYPES[subject.architecture],
                "modelArchitecture": subject.architecture,
                "inputs": [{"format": "text"}],
                "outputs": [{"format": "text"}],
            }
        },
        "pedigree": {"ancestors": [ancestor]},
        "properties": [
            {"name": f"slipway:recipe:{name}", "value": value} for name, value in sorted(subject.recipe.items())
        ],
    }


def _file(path: str, sha256: str, of: str = "file") -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": sha256}]
    return {"type": "file", "bom-ref": f"{of}:{path}", "name": path, "hashes": hashes}


def _library(name: str, version: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
