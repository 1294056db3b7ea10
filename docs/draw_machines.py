"""Draw every state machine from its definition into docs/machines.md: `make docs`.

A drawing shows the ways that a person on call follows. The way from every Task to the settlement when it fails is said
once in words, because drawn it would hide all the others.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "machines.md"
_HEAD = """# The state machines

Generated from `statemachines/` by `make docs`; a test keeps this page current. Rounded: a step or a wait.
Diamond: a choice. Dashed: the way of an error.
"""


def page() -> str:
    machines = sorted((ROOT / "statemachines").glob("*.asl.yaml"))
    return "\n".join([_HEAD, *(_section(path) for path in machines)])


def _section(path: Path) -> str:
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    name = path.name.removesuffix(".asl.yaml")
    return f"""## {name}

{definition["Comment"]} {len(definition["States"])} states; at most {definition["TimeoutSeconds"]} s.

```mermaid
{_drawing(definition)}
```
{_errors(definition)}"""


def _drawing(definition: Mapping[str, Any]) -> str:
    states = definition["States"]
    common = _common_catch(definition)
    lines = ["flowchart TD", *(f"  {_id(name)}{_shape(name, state)}" for name, state in states.items())]
    for name, state in states.items():
        lines += [f"  {_id(name)} {arrow} {_id(target)}" for target, arrow in _ways(state, common)]
    return "\n".join(lines)


def _ways(state: Mapping[str, Any], common: str) -> Iterator[tuple[str, str]]:
    if "Next" in state:
        yield state["Next"], "-->"
    for choice in state.get("Choices", []):
        yield choice["Next"], f'-->|"{_words(choice["Condition"])}"|'
    if "Default" in state:
        yield state["Default"], '-->|"otherwise"|'
    for catch in state.get("Catch", []):
        if catch["Next"] != common or catch["ErrorEquals"] != ["States.ALL"]:
            yield catch["Next"], f'-.->|"{", ".join(catch["ErrorEquals"])}"|'


def _common_catch(definition: Mapping[str, Any]) -> str:
    """Where most Tasks go when they fail."""
    targets: list[str] = [
        catch["Next"]
        for state in definition["States"].values()
        for catch in state.get("Catch", [])
        if catch["ErrorEquals"] == ["States.ALL"]
    ]
    return max(sorted(set(targets)), key=targets.count)


def _errors(definition: Mapping[str, Any]) -> str:
    common = _common_catch(definition)
    tasks = [
        name
        for name, state in definition["States"].items()
        if any(catch["Next"] == common and catch["ErrorEquals"] == ["States.ALL"] for catch in state.get("Catch", []))
    ]
    return f"\nWhatever else fails in {', '.join(f'*{name}*' for name in tasks)} leads to *{common}*.\n"


def _shape(name: str, state: Mapping[str, Any]) -> str:
    match state["Type"]:
        case "Choice":
            return f'{{"{name}"}}'
        case "Succeed" | "Fail":
            return f'(["{name}"])'
    return f'("{name}")'


def _words(condition: str) -> str:
    """A condition as a reader says it: without JSONata's brackets and the sign of a variable."""
    return re.sub(r"\$(\w)", r"\1", condition[2:-2].strip())


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
