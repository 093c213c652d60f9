"""The learning rate over a run, and what decays."""

import keras
import numpy as np
import pytest

from training.fit.optimizers import exclude_vectors_from_decay, make_optimizer
from training.runs.config import Config


def make_config(**values):
    settings = dict(
        epochs=10, learning_rate=1e-2, final_learning_rate=1e-4, warmup_epochs=2.0
    )
    return Config(
        model="scopeformer", dataset="rsna_ich", records="records", **settings | values
    )


def learning_rate(optimizer, step):
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


def test_learning_rate_rises_to_its_peak_and_falls_along_a_cosine():
    optimizer = make_optimizer(make_config(), steps_per_epoch=5)
    rates = {step: learning_rate(optimizer, step) for step in (0, 5, 10, 30, 50)}
    expected = {0: 0, 5: 5e-3, 10: 1e-2, 30: (1e-2 + 1e-4) / 2, 50: 1e-4}
    assert rates == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_without_warmup_it_starts_at_the_peak():
    optimizer = make_optimizer(make_config(warmup_epochs=0.0), steps_per_epoch=5)
    assert learning_rate(optimizer, 0) == pytest.approx(1e-2)
    assert learning_rate(optimizer, 25) == pytest.approx((1e-2 + 1e-4) / 2, rel=1e-4)
    assert learning_rate(optimizer, 50) == pytest.approx(1e-4, rel=1e-4)


def test_warmup_longer_than_the_run_still_rises_and_ends():
    optimizer = make_optimizer(
        make_config(epochs=1, warmup_epochs=3.0), steps_per_epoch=4
    )
    rates = [learning_rate(optimizer, step) for step in range(5)]
    assert rates == pytest.approx(
        [0, 1e-2 / 3, 2e-2 / 3, 1e-2, 1e-4], rel=1e-4, abs=1e-9
    )


def test_sgd_steps_along_the_gradient():
    config = make_config(
        optimizer="sgd",
        learning_rate=0.01,
        final_learning_rate=0.01,
        warmup_epochs=0.0,
        weight_decay=0.0,
    )
    optimizer = make_optimizer(config, steps_per_epoch=5)
    variable = keras.Variable(np.array([[1.0, 2.0]]))
    for _ in range(2):
        optimizer.apply([np.array([[1.0, -3.0]])], [variable])
    np.testing.assert_allclose(variable.numpy(), [[1 - 0.02, 2 + 0.06]], rtol=1e-6)
    assert learning_rate(optimizer, 49) == pytest.approx(0.01)


def test_a_long_gradient_is_shortened_as_a_whole():
    settings = dict(
        optimizer="sgd", learning_rate=1.0, final_learning_rate=1.0, warmup_epochs=0.0
    )
    config = make_config(clip_norm=0.5, weight_decay=0.0, **settings)
    for factor in (1.0, 0.05):  # gradients of length 5 and 0.25
        optimizer = make_optimizer(config, steps_per_epoch=5)
        variables = [keras.Variable(np.zeros((1, 1))) for _ in range(2)]
        optimizer.apply(
            [np.array([[3.0 * factor]]), np.array([[4.0 * factor]])], variables
        )
        found = [variable.numpy().item() for variable in variables]
        assert found == pytest.approx(
            [-3.0 * min(factor, 0.1), -4.0 * min(factor, 0.1)]
        )


def test_adam_does_not_decay():
    optimizer = make_optimizer(
        make_config(optimizer="adam", weight_decay=0.0, warmup_epochs=0.0), 5
    )
    assert type(optimizer) is keras.optimizers.Adam and not optimizer.weight_decay
    variable = keras.Variable(np.array([[1.0, 2.0]]))
    optimizer.apply([np.array([[0.5, -3.0]])], [variable])
    np.testing.assert_allclose(variable.numpy(), [[1 - 1e-2, 2 + 1e-2]], rtol=1e-6)


def test_float16_has_its_loss_scaled():
    config = make_config(precision="mixed_float16", weight_decay=0.1, warmup_epochs=0.0)
    optimizer = make_optimizer(config, steps_per_epoch=5)
    matrix, vector = (
        keras.Variable(np.ones(shape), name=str(shape)) for shape in ((2, 2), (2,))
    )
    exclude_vectors_from_decay(optimizer, [matrix, vector])
    assert float(optimizer.scale_loss(1.0)) == 2.0**15
    optimizer.apply([np.zeros((2, 2)), np.zeros(2)], [matrix, vector])
    np.testing.assert_allclose(matrix.numpy(), 1 - 0.1 * 1e-2, rtol=1e-6)
    np.testing.assert_array_equal(vector.numpy(), 1)
    for precision in ("float32", "mixed_bfloat16"):
        assert (
            float(make_optimizer(make_config(precision=precision), 5).scale_loss(1.0))
            == 1
        )


def test_matrices_decay_and_vectors_do_not():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, bias_initializer="ones"),
            keras.layers.LayerNormalization(),
        ]
    )
    optimizer = make_optimizer(
        make_config(warmup_epochs=0.0, weight_decay=0.1), steps_per_epoch=5
    )
    exclude_vectors_from_decay(optimizer, model.trainable_variables)
    before = [variable.numpy() for variable in model.trainable_variables]
    optimizer.apply(
        [np.zeros_like(value) for value in before], model.trainable_variables
    )
    shrunk = 0
    for old, variable in zip(before, model.trainable_variables, strict=True):
        factor = 1 - 0.1 * 1e-2 if old.ndim > 1 else 1
        shrunk += factor != 1
        np.testing.assert_allclose(variable.numpy(), factor * old, rtol=1e-6)
    assert shrunk == 1 and len(before) == 4
