"""What every contract has in common: camelCase on the wire, strict types, unknown fields refused."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from release.errors import InvalidInputError

EndpointName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9])*$", min_length=1, max_length=20)]
ReleaseId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
RolloutId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}-[1-9][0-9]{0,5}$")]
ArtifactId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Image = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,180}@sha256:[0-9a-f]{64}$")]
Timestamp = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$")
]
"""UTC, ISO 8601; kept as text, because the text is what other readers get."""


Actor = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)]
"""Who did it, in the words that they gave or by the name of the part that did."""
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Contract(BaseModel):
    """Ours: anything that is not in the contract is a mistake."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )
    foreign: ClassVar[frozenset[str]] = frozenset()
    """Names of fields whose inside is another language's, in which null may mean something."""

    @classmethod
    def parse(cls, payload: Any) -> Self:
        """Read what has come over a boundary.

        Raises:
            InvalidInputError: it breaks the contract; the sentence names every field at fault.
        """
        return cls.parse_text(json.dumps(payload, allow_nan=False))

    @classmethod
    def parse_text(cls, text: str | bytes) -> Self:
        """Like `parse`, for JSON that is still text."""
        try:
            parsed = cls.model_validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidInputError(_sentence(cls.__name__, error)) from error
        if nulls := [place for place, value in _walk("", json.loads(text), cls.foreign) if value is None]:
            raise InvalidInputError(f"{cls.__name__} breaks its contract at {nulls[0]}: leave it out rather than null")
        return parsed

    def wire(self) -> dict[str, Any]:
        """As JSON-ready values; absent optional fields stay absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class AwsEvent(BaseModel):
    """AWS's: it may add fields whenever it likes."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)

    @classmethod
    def parse(cls, payload: Any) -> Self:
        """Raises InvalidInputError, as `Contract.parse` does."""
        try:
            return cls.model_validate_json(json.dumps(payload))
        except ValidationError as error:
            raise InvalidInputError(_sentence(cls.__name__, error)) from error


def _walk(place: str, value: Any, foreign: frozenset[str]) -> Iterator[tuple[str, Any]]:
    yield place.lstrip("."), value
    match value:
        case dict(entries):
            for name, entry in entries.items():
                inside = {} if name in foreign and entry is not None else entry
                yield from _walk(f"{place}.{name}", inside, foreign)
        case list(entries):
            for index, entry in enumerate(entries):
                yield from _walk(f"{place}.{index}", entry, foreign)


def _sentence(contract: str, error: ValidationError) -> str:
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'the top'}: {fault['msg']}" for fault in error.errors()]
    return f"{contract} breaks its contract at {'; '.join(faults)}"
