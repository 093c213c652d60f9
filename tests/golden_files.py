"""Reads the golden files: weights rebuilt by their recipe, and outputs of the original code."""

import functools
import pathlib
import sys

import numpy as np

GOLDEN_DIR = pathlib.Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN_DIR))

import recipe  # noqa: E402

OUTPUT_TOLERANCE = 5e-5
"""Largest difference to the original, relative to the output's largest value."""


class GoldenModel:
    """One golden file: `weights` under the original's names, inputs and recorded outputs."""

    def __init__(self, name):
        self.info = recipe.manifest(GOLDEN_DIR / f"{name}.json")
        self.arrays = np.load(GOLDEN_DIR / f"{name}.npz")
        self.constructor = self.info["constructor"]

    @functools.cached_property
    def weights(self):
        weights = recipe.state_dict(self.info)
        assert recipe.checksum(weights) == self.info["state_dict_sha256"]
        return weights

    def inputs(self, case):
        return recipe.inputs(self.info["cases"][case], self.info["seed"])

    def check(self, case, output, value):
        """Asserts that `value`, in the original's layout, is the recorded output."""
        value = np.asarray(value)
        key = f"{case}/{output}"
        if self.info["cases"][case]["outputs"][output]["kept"] == "whole":
            ours, theirs = {"whole": value}, {"whole": self.arrays[key]}
        else:
            ours, theirs = recipe.summary(value), recipe.stored(self.arrays, key)
        largest = max(np.abs(part).max() for part in theirs.values())
        for part, expected in theirs.items():
            difference = np.abs(ours[part] - expected).max() / largest
            assert difference < OUTPUT_TOLERANCE, f"{key}:{part} differs by {difference:.2e}"
