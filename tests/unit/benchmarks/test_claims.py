import json
from pathlib import Path

import pytest

from benchmarks.claims import RESULT_KEYS, page, rows

RESULT = {
    "how": "measured",
    "value": "12 s",
    "hardware": "2 cores",
    "versions": "python 3.11",
    "command": "make bench",
    "date": "2026-11-23",
}


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    path = tmp_path / "claims.json"
    path.write_text(json.dumps([{"id": "a", "claim": "quick", "answer": "seconds"}]))
    return path


def test_a_claim_without_a_result_says_not_run(claims: Path) -> None:
    table = rows(claims, claims.parent / "results")

    assert [row.how for row in table] == ["not run"]
    assert "0 measured, 0 simulated, 1 not run" in page(table)


def test_a_result_shows_its_value_and_where_it_came_from(claims: Path) -> None:
    (claims.parent / "results" / "a.json").write_text(json.dumps(RESULT))

    text = page(rows(claims, claims.parent / "results"))

    assert "| measured | 12 s | 2 cores; python 3.11; `make bench`; 2026-11-23 |" in text


@pytest.mark.parametrize("missing", sorted(RESULT_KEYS))
def test_a_number_without_its_source_is_refused(claims: Path, missing: str) -> None:
    kept = {key: value for key, value in RESULT.items() if key != missing}
    (claims.parent / "results" / "a.json").write_text(json.dumps(kept))

    with pytest.raises(ValueError, match=r"a\.json must have exactly"):
        rows(claims, claims.parent / "results")


def test_a_result_that_answers_no_claim_is_refused(claims: Path) -> None:
    (claims.parent / "results" / "b.json").write_text(json.dumps(RESULT))

    with pytest.raises(ValueError, match="results without a claim: b"):
        rows(claims, claims.parent / "results")
