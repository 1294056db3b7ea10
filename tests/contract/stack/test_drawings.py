"""The drawings of the machines are of the machines as they are."""

import pytest

from docs.draw_machines import PAGE, page
from tests.contract.stack.documents import MACHINES, machine


def test_the_page_of_drawings_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_of_every_machine_is_drawn(name: str) -> None:
    drawn = page().partition(f"## {name}\n")[2].partition("\n## ")[0]

    assert [state for state in machine(name)["States"] if f'"{state}"' not in drawn] == []
