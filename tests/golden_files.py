"""Reads the golden files: weights rebuilt by their recipe, and outputs of the original code."""

import functools
import pathlib
import sys

import numpy as np
import tensorflow as tf

GOLDEN_DIR = pathlib.Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN_DIR))

import recipe  # noqa: E402

OUTPUT_TOLERANCE = 5e-5
"""Largest difference to the original, relative to the output's largest value."""

GRADIENT_TOLERANCE = 1e-3
"""Largest difference to the original's gradients, relative to each one's norm or product."""

GRADIENT_NOISE = 1e-7
"""What rounding in the original does to a gradient that nearly cancels, relative to the largest norm."""

PRODUCT_NOISE = 1e-5
"""The same for a product of gradient and parameter, relative to the product of their norms."""


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

    def images(self, case):
        """The case's input, channels last."""
        return np.moveaxis(self.inputs(case)["x"], 1, -1)

    def outputs(self, case):
        """Names of the recorded outputs."""
        return list(self.info["cases"][case]["outputs"])

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
            assert difference < OUTPUT_TOLERANCE, (
                f"{key}:{part} differs by {difference:.2e}"
            )

    def check_gradients_of(self, model, images, official_name):
        """Asserts that the mean squared logits of `images` and its gradients are the recorded ones.

        Args:
            model: Keras model with the original's weights.
            images: Its input, channels last.
            official_name: From a variable's path to its original name.
        """
        variables = model.trainable_variables

        @tf.function
        def loss_and_gradients(images):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(images, training=False)))
            return loss, tape.gradient(loss, [variable.value for variable in variables])

        loss, gradients = loss_and_gradients(tf.convert_to_tensor(images))
        np.testing.assert_allclose(loss, self.arrays["gradients/loss"], rtol=1e-4)
        names = [official_name(variable.path) for variable in variables]
        self.check_gradients(dict(zip(names, variables)), dict(zip(names, gradients)))

    def check_gradients(self, parameters, gradients):
        """Asserts that gradients of the mean squared logits have the recorded norms and products.

        Args:
            parameters: From original name to the parameter, in any layout.
            gradients: From original name to its gradient, in the parameter's layout.
        """
        names, norms = self.info["gradients"]["names"], self.arrays["gradients/norm"]
        assert set(parameters) == set(gradients) == set(names)
        for name, norm, product in zip(names, norms, self.arrays["gradients/dot"]):
            parameter = np.asarray(parameters[name], "float64")
            gradient = np.asarray(gradients[name], "float64")
            difference = abs(np.linalg.norm(gradient) - norm)
            allowed = GRADIENT_TOLERANCE * norm + GRADIENT_NOISE * max(norms)
            assert difference < allowed, (
                f"norm of {name}'s gradient differs by {difference:.2e}"
            )
            difference = abs(np.sum(gradient * parameter) - product)
            noise = max(
                PRODUCT_NOISE * norm, GRADIENT_NOISE * max(norms)
            ) * np.linalg.norm(parameter)
            allowed = GRADIENT_TOLERANCE * abs(product) + noise
            assert difference < allowed, (
                f"{name} times its gradient differs by {difference:.2e}"
            )
