"""An operation that GAPS lists as refused is refused by name, in words that the service's own client understands."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape

from tests.integration.local_core.aws import Aws

PAGE = (Path(__file__).parents[3] / "local" / "GAPS.md").read_text()
SECTION = re.compile(r"^### `(?P<service>[\w-]+)`: .*?(?=^###? )", re.MULTILINE | re.DOTALL)
LIST = re.compile(r"<summary>Refused: \d+</summary>\n\n(?P<names>.*?)\n", re.DOTALL)


models = cache(botocore.session.get_session().get_service_model)


def model_of(service: str, operation: str) -> OperationModel:
    found: OperationModel = models(service).operation_model(operation)
    return found


def refused() -> Iterator[tuple[str, str]]:
    """Of every service the first and the last operation that the page calls refused."""
    for section in SECTION.finditer(PAGE):
        if found := LIST.search(section[0]):
            # A host that begins with the operation's own prefix is none of this machine's.
            names = [name for name in found["names"].split(", ") if not model_of(section["service"], name).endpoint]
            yield from ((section["service"], name) for name in dict.fromkeys([names[0], names[-1]]))


def smallest(shape: Shape | None) -> Any:
    """A value with all that the shape requires and nothing else, as the model allows it."""
    known: Any = shape
    if known is None or known.type_name == "structure":
        names = known.required_members or list(known.members)[: known.is_tagged_union] if known else []
        return {name: smallest(known.members[name]) for name in names}
    length = int(known.metadata.get("min", 1))
    if known.type_name == "string":
        return known.enum[0] if known.enum else "a" * max(length, 8)
    if known.type_name == "list":
        return [smallest(known.member) for _ in range(length)]
    values: dict[str, Any] = {"map": {}, "boolean": True, "blob": b"{}", "timestamp": 0}
    return values.get(known.type_name, max(length, 1))


@pytest.mark.parametrize(("service", "operation"), list(refused()))
def test_a_refused_operation_says_so_by_its_name(aws: Aws, service: str, operation: str) -> None:
    client = aws.client(service)
    request = smallest(model_of(service, operation).input_shape)

    with pytest.raises(ClientError) as refused:
        getattr(client, xform_name(operation))(**request)

    error = refused.value.response["Error"]
    assert "does not emulate" in error["Message"], error
    assert operation in error["Message"], error
