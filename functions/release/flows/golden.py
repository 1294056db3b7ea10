"""An artifact's golden.jsonl, read and judged line by line."""

from dataclasses import dataclass

from release.contracts.golden import GoldenPrompt
from release.domain.golden import GOLDEN, MAX_BYTES, MAX_PROMPTS, regex_problem
from release.domain.keys import published_prefix
from release.domain.probes import Prompt
from release.errors import InvalidInputError
from release.ports import ArtifactStore, Schemas


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """`problems` name the line; a file with problems is never asked."""

    prompts: tuple[Prompt, ...]
    problems: tuple[str, ...]


def read_golden(body: bytes, schemas: Schemas) -> GoldenFile:
    """Every line of the file that is not blank."""
    if len(body) > MAX_BYTES:
        return _refused(f"{GOLDEN} has {len(body)} bytes, the limit is {MAX_BYTES}; keep fewer or shorter prompts")
    try:
        lines = body.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return _refused(f"{GOLDEN} is not UTF-8; save it as UTF-8")
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not filled:
        return _refused(f"{GOLDEN} has no prompt; write one object a line, or leave the file out")
    if len(filled) > MAX_PROMPTS:
        return _refused(f"{GOLDEN} has {len(filled)} prompts, the limit is {MAX_PROMPTS}; keep those that tell most")
    prompts: list[Prompt] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, line in filled:
        try:
            golden = GoldenPrompt.parse_line(line)
        except InvalidInputError as error:
            problems.append(f"{GOLDEN} line {number}: {error}")
            continue
        problems += [f"{GOLDEN} line {number}: {problem}" for problem in _problems(golden, schemas)]
        if first := seen.get(golden.id):
            problems.append(f"{GOLDEN} line {number}: the id {golden.id} is line {first}'s; give it another")
        seen.setdefault(golden.id, number)
        prompts.append(golden.prompt(number))
    return GoldenFile(tuple(prompts), tuple(problems))


def _refused(problem: str) -> GoldenFile:
    return GoldenFile((), (problem,))


def _problems(golden: GoldenPrompt, schemas: Schemas) -> list[str]:
    found = []
    if golden.expect.regex is not None and (problem := regex_problem(golden.expect.regex)):
        found.append(f"expect.regex {problem}")
    if golden.expect.json_schema is not None and (problem := schemas.problem(golden.expect.json_schema)):
        found.append(f"expect.jsonSchema {problem}")
    return found


def published_golden(artifacts: ArtifactStore, artifact_id: str, schemas: Schemas) -> GoldenFile:
    """The artifact's own prompts; none if it brings no golden.jsonl."""
    key = published_prefix(artifact_id) + GOLDEN
    if artifacts.head(key) is None:
        return GoldenFile((), ())
    return read_golden(artifacts.read(key, length=MAX_BYTES + 1), schemas)
