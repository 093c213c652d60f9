"""Training steps in parts, against NumPy and against steps in one go."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from training.fit.stepwise import stepwise

ROWS, FEATURES, CLASSES = 16, 5, 3
RATE, RHO, ETA = 0.5, 0.05, 0.01


def make_data(seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((ROWS, FEATURES)).astype("float32")
    return x, np.eye(CLASSES, dtype="float32")[random.integers(0, CLASSES, ROWS)]


def logistic_model():
    keras.utils.set_random_seed(2)
    image = keras.Input((FEATURES,))
    logits = keras.layers.Dense(
        CLASSES, bias_initializer="ones", dtype="float32", name="head"
    )(image)
    return keras.Model(image, logits)


def small_network(dtype="float32"):
    """A residual block without normalisation."""
    keras.utils.set_random_seed(3)
    image = keras.Input((FEATURES,))
    x = keras.layers.Dense(FEATURES, activation="tanh", dtype=dtype)(image)
    x = keras.layers.Add(dtype=dtype)(
        [x, keras.layers.Dense(FEATURES, activation="tanh", dtype=dtype)(x)]
    )
    return keras.Model(
        image, keras.layers.Dense(CLASSES, dtype="float32", name="head")(x)
    )


def fit(model, optimizer=None, epochs=3, **steps):
    """Trains on the whole data at a time; gives the weights and the rows of loss and accuracy."""
    model = stepwise(model, **steps)
    model.compile(
        optimizer or keras.optimizers.SGD(RATE),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    rows = model.fit(
        *make_data(), batch_size=ROWS, epochs=epochs, shuffle=False, verbose=0
    ).history
    return model.get_weights(), rows


def logistic_gradient(kernel, bias, x, y):
    logits = x @ kernel + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (powers / powers.sum(axis=1, keepdims=True) - y) / len(x)
    return x.T @ error, error.sum(axis=0)


def train_in_numpy(sharpness, epochs):
    kernel, bias = (value.astype("float64") for value in logistic_model().get_weights())
    x, y = make_data()
    for _ in range(epochs):
        gradient = logistic_gradient(kernel, bias, x, y)
        if sharpness != "none":
            scale = (
                np.abs(kernel) + ETA if sharpness == "asam" else np.ones_like(kernel)
            )
            norm = np.sqrt(
                np.sum((scale * gradient[0]) ** 2) + np.sum(gradient[1] ** 2)
            )
            raised = (
                kernel + RHO * scale**2 * gradient[0] / norm,
                bias + RHO * gradient[1] / norm,
            )
            gradient = logistic_gradient(*raised, x, y)
        kernel, bias = kernel - RATE * gradient[0], bias - RATE * gradient[1]
    return kernel, bias


@pytest.mark.parametrize("accumulation_steps", [1, 4])
@pytest.mark.parametrize("sharpness", ["none", "sam", "asam"])
def test_the_update_is_that_of_the_equations(sharpness, accumulation_steps):
    found, _ = fit(
        logistic_model(),
        sharpness=sharpness,
        rho=RHO,
        eta=ETA,
        accumulation_steps=accumulation_steps,
    )
    expected = train_in_numpy(sharpness, epochs=3)
    for value, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)
    # The three differ by more than that.
    other = train_in_numpy(
        {"none": "sam", "sam": "asam", "asam": "none"}[sharpness], epochs=3
    )
    assert np.abs(found[0] - other[0]).max() > 1e-4


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("sharpness", ["none", "asam"])
def test_micro_batches_add_up_to_one_large_batch(sharpness, recompute):
    steps = {"sharpness": sharpness, "recompute": recompute}
    whole, rows = fit(small_network(), keras.optimizers.Adam(0.05), **steps)
    parts, rows_of_parts = fit(
        small_network(), keras.optimizers.Adam(0.05), accumulation_steps=4, **steps
    )
    for value, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(value, expected, atol=2e-5)
    for key in ("loss", "accuracy"):
        assert rows_of_parts[key] == pytest.approx(rows[key], abs=1e-5)


def test_scores_are_those_of_the_weights_that_are_kept():
    model = small_network()
    x, y = make_data()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)(y, model(x))
    _, rows = fit(model, epochs=1, sharpness="sam", accumulation_steps=2)
    assert rows["loss"][0] == pytest.approx(float(loss), rel=1e-5)


def test_running_statistics_count_a_batch_once():
    keras.utils.set_random_seed(4)
    image = keras.Input((FEATURES,))
    x = keras.layers.BatchNormalization(momentum=0.75, name="norm")(image)
    model = keras.Model(image, keras.layers.Dense(CLASSES, name="head")(x))
    fit(model, epochs=1, sharpness="asam", recompute=True)
    data, _ = make_data()
    norm = model.get_layer("norm")
    np.testing.assert_allclose(
        norm.moving_mean, 0.25 * data.mean(axis=0), rtol=1e-4, atol=1e-6
    )
    fit(model, epochs=1, sharpness="asam", accumulation_steps=2)
    mean = 0.25 * data.mean(axis=0)
    for half in np.split(data, 2):
        mean = 0.75 * mean + 0.25 * half.mean(axis=0)
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_both_passes_drop_the_same_units(accumulation_steps):
    # With a tiny rho the second gradient is the first one, if the units are.
    def model():
        keras.utils.set_random_seed(5)
        image = keras.Input((FEATURES,))
        x = keras.layers.Dropout(0.5, seed=6)(image)
        return keras.Model(image, keras.layers.Dense(CLASSES)(x))

    plain, _ = fit(model(), accumulation_steps=accumulation_steps)
    sharp, _ = fit(
        model(), accumulation_steps=accumulation_steps, sharpness="sam", rho=1e-6
    )
    for value, expected in zip(sharp, plain, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


@pytest.mark.parametrize(
    "steps", [{}, {"sharpness": "asam", "accumulation_steps": 2, "recompute": True}]
)
def test_half_precision_scales_the_loss_and_skips_what_is_not_finite(steps):
    def scaled(initial):
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(RATE), initial_scale=initial
        )
        return fit(small_network("mixed_float16"), optimizer, epochs=1, **steps)[
            0
        ], optimizer

    exact, _ = fit(small_network(), epochs=1, **steps)
    found, optimizer = scaled(2.0**10)
    assert int(optimizer.iterations) == 1
    for value, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(value, expected, atol=5e-3)
    unmoved, optimizer = scaled(2.0**24)  # beyond float16
    assert int(optimizer.iterations) == 0 and float(optimizer.dynamic_scale) == 2.0**23
    for value, expected in zip(unmoved, small_network().get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_weights_are_saved_as_the_models_own(tmp_path):
    model = stepwise(small_network(), sharpness="sam")
    model.save_weights(tmp_path / "of.weights.h5")
    plain = small_network()
    plain.set_weights([0 * value for value in plain.get_weights()])
    plain.load_weights(tmp_path / "of.weights.h5")
    for value, expected in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


TWO_DEVICES = """
import json
import sys

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from test_stepwise import fit, small_network

steps = dict(sharpness="asam", accumulation_steps=2, recompute=True)


def optimizer(scales):
    adam = keras.optimizers.Adam(0.05)
    return keras.optimizers.LossScaleOptimizer(adam) if scales else adam


found = {}
for scales in (False, True):
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        mirrored = fit(small_network(), optimizer(scales), **steps)
    for name, result in (("two", mirrored), ("one", fit(small_network(), optimizer(scales), **steps))):
        found[f"{name} {scales}"] = [[value.tolist() for value in result[0]], result[1]]
json.dump(found, open(sys.argv[1], "w"))
"""


@pytest.mark.slow
def test_two_devices_step_as_one(tmp_path):
    here = pathlib.Path(__file__).parent
    paths = os.pathsep.join(map(str, (here, here.parent.parent)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TWO_DEVICES, tmp_path / "found.json"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    for scales in (False, True):
        (weights, rows), (expected, expected_rows) = (
            found[f"two {scales}"],
            found[f"one {scales}"],
        )
        for value, right in zip(weights, expected, strict=True):
            np.testing.assert_allclose(value, right, atol=2e-5)
        for key in ("loss", "accuracy"):
            assert rows[key] == pytest.approx(expected_rows[key], abs=1e-5)
        assert abs(rows["loss"][0] - rows["loss"][-1]) > 1e-2
