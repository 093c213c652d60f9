"""The README's demonstrations give what they gave when the house was frozen, on small settings.

There are five sets of golden files: `scopeformer`, `hifuse_narrow` and `dtvit_small`, and of
`hct` both of its runs, `hct_patches` and `hct`. (Patches are not exported, so they have no model
card.) After a change on purpose

    python tests/frozen/demonstrations.py [NAME ...]

writes them anew; that goes into a commit of its own, with the reason.

What is compared:

- `records.json`: what `dataset_info.json` says, and SHA-256 of each feature of all records in
  order, exactly. Of images the pixels are hashed, not what zlib made of them; JPEG files as they
  are.
- `config.json`: all settings, exactly; `kept_results.config_values` is where another form becomes
  a flat one.
- `predictions.csv`: columns, names and labels exactly, probabilities to `PROBABILITY_TOLERANCES`.
- `evaluation.json`, `model_card.json`: keys and their order, types, words and whole numbers
  exactly; scores to 0.02, areas under curves to 0.2, since they jump where two images change
  places.
- `report.txt`: the report's text exactly, with # for computed numbers (those are in
  `evaluation.json`).
- `files.txt`: the names of the files that are left; stored features are among scopeformer's.

No prediction is so unclear that another class could win within the tolerance, so counts stay the
same.

What was measured, as largest difference of a probability (an EPYC with AVX-512, 2 cores):

    set            again  AVX2 alone  one thread  oneDNN on  something broken             tolerance
    scopeformer    0      3e-6        0           1e-4       1e-3 (window 82, not 80, HU) 3e-4
    hifuse_narrow  0      4e-5        4e-5        1e-4       4e-2 (crops of other shapes) 1e-3
    dtvit_small    0      2e-8        2e-8        2e-8       1e-3 (shift 3.5%, not 3%)    1e-5
    hct_patches    0      4e-7        5e-7        8e-7       1e-2 (noise 0.06, not 0.05)  1e-3
    hct            0      8e-5        8e-5        8e-5       1e-2 (the same)              1e-3

Another seed changes scopeformer's by 8e-2. AVX2 alone is ONEDNN_MAX_CPU_ISA=AVX2, for the matrix
products of TensorFlow that remain when its oneDNN operations are off, as they are here. Left
alone, NumPy with and without AVX-512 and OpenCV with and without Intel's IPP draw phantoms of
which a third or half of the files differ in some pixel; `demonstrations.ENVIRONMENT` fixes that,
so records are the same on x86-64 with AVX2, not elsewhere.
"""

import pathlib

import kept_results
import numpy as np
import pytest
from demonstrations import DEMONSTRATIONS, GOLDEN_DIR, PROBABILITY_TOLERANCES, run

pytestmark = pytest.mark.slow

NAMES = [
    name for demonstration in DEMONSTRATIONS.values() for name in demonstration.kept
]


@pytest.fixture(scope="module")
def found_of(tmp_path_factory):
    """A function: what is found of a name in `NAMES`; each demonstration runs once."""
    found = {}

    def read(name):
        if name not in found:
            (demonstration,) = (
                key for key, value in DEMONSTRATIONS.items() if name in value.kept
            )
            found.update(
                run(demonstration, pathlib.Path(tmp_path_factory.mktemp(demonstration)))
            )
        return found[name]

    return read


def golden_of(name):
    return kept_results.read_golden(GOLDEN_DIR / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_is_kept_and_the_same_files_are_left(name, found_of):
    found, golden = found_of(name), golden_of(name)
    assert sorted(found) == sorted(golden)
    assert found["files.txt"] == golden["files.txt"]


@pytest.mark.parametrize("name", NAMES)
def test_records_hold_the_same(name, found_of):
    assert found_of(name)["records.json"] == golden_of(name)["records.json"]


@pytest.mark.parametrize("name", NAMES)
def test_configuration_means_the_same(name, found_of):
    assert found_of(name)["config.json"] == golden_of(name)["config.json"]


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_the_same(name, found_of):
    found, probabilities = kept_results.split_predictions(
        found_of(name)["predictions.csv"]
    )
    golden, expected = kept_results.split_predictions(
        golden_of(name)["predictions.csv"]
    )
    assert found == golden
    np.testing.assert_allclose(
        probabilities, expected, rtol=0, atol=PROBABILITY_TOLERANCES[name]
    )


@pytest.mark.parametrize("file", ["evaluation.json", "model_card.json"])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_same(name, file, found_of):
    found, golden = found_of(name).get(file), golden_of(name).get(file)
    assert kept_results.differences(found, golden) == []


@pytest.mark.parametrize("name", NAMES)
def test_report_says_the_same(name, found_of):
    assert (
        found_of(name)["report.txt"].splitlines()
        == golden_of(name)["report.txt"].splitlines()
    )


@pytest.mark.parametrize("name", NAMES)
def test_golden_predictions_are_clear(name):
    """Otherwise counts could change while probabilities stay within their tolerance."""
    assert kept_results.clearance(golden_of(name)) > 2 * PROBABILITY_TOLERANCES[name]
