"""Growth against known powers; counts of both forms by hand; the table."""

import json

import pytest

from benchmarks import attention_width
from benchmarks.attention_width import COLUMNS, PLAIN, TRANSPOSED


def test_growth_exponents():
    rows = [
        {
            "width": d,
            "parameters": 3 * d**2,
            "map_elements": 7,
            "milliseconds": 0.1 * d,
            "memory_mib": d**1.5,
        }
        for d in (64, 128, 512)
    ]
    found = attention_width.growth_exponents(rows)
    assert [found[column] for column in COLUMNS] == pytest.approx(
        [2, 0, 1, 1.5], abs=1e-6
    )


@pytest.mark.slow
def test_both_forms(tmp_path, capsys):
    output = tmp_path / "width.json"
    attention_width.main(
        ["--widths", "16", "32", "--batch-size", "1", "--output", str(output)]
    )

    result = json.loads(output.read_text())
    by_form = {(row["form"], row["width"]): row for row in result["rows"]}
    # query, key, value and projection with their biases; 16 x 16 over heads, bias, BatchNorm's four
    heads = 16 * 16 + 16 + 4 * 16
    assert by_form[PLAIN, 16]["parameters"] == 16 * 48 + 48 + 16 * 16 + 16 + heads
    assert (
        by_form[TRANSPOSED, 16]["parameters"]
        == by_form[TRANSPOSED, 32]["parameters"]
        == 16_976
    )
    assert by_form[PLAIN, 32]["map_elements"] == 16 * 64**2
    assert by_form[TRANSPOSED, 32]["map_elements"] == 16 * 32**2
    assert all(row["milliseconds"] > 0 for row in result["rows"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 4 + 2 and len({len(line) for line in lines[:5]}) == 1
