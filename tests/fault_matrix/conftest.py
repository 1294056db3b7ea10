"""One world for all tests of this folder: deploying the stack costs more than most of them."""

from collections.abc import Iterator

import pytest

from tests.fault_matrix.world import Slipway, running


@pytest.fixture(scope="package")
def slipway() -> Iterator[Slipway]:
    with running() as found:
        yield found
