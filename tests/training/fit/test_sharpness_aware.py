"""The steps of SAM and ASAM, against the equations in NumPy."""

import keras
import numpy as np
import pytest

from training.fit.sharpness_aware import steepest_steps

RHO, ETA = 0.05, 0.01


def make_case(seed=0):
    random = np.random.default_rng(seed)
    shapes = {"kernel": (3, 4), "bias": (4,), "gamma": (4,), "beta": (4,)}
    variables = [
        keras.Variable(random.standard_normal(shape), name=name)
        for name, shape in shapes.items()
    ]
    values = [variable.numpy() for variable in variables]
    return (
        variables,
        values,
        [random.standard_normal(value.shape).astype("float32") for value in values],
    )


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def test_sam_goes_along_the_gradient():
    variables, values, gradients = make_case()
    steps = flat(steepest_steps(variables, values, gradients, "sam", RHO, ETA))
    gradient = flat(gradients)
    np.testing.assert_allclose(
        steps, RHO * gradient / np.linalg.norm(gradient), rtol=1e-5
    )


def test_asam_scales_by_size_but_for_biases():
    variables, values, gradients = make_case()
    steps = flat(steepest_steps(variables, values, gradients, "asam", RHO, ETA))
    scale = flat(
        [
            np.ones_like(value)
            if variable.name in ("bias", "beta")
            else np.abs(value) + ETA
            for variable, value in zip(variables, values, strict=True)
        ]
    )
    gradient = flat(gradients)
    expected = RHO * scale**2 * gradient / np.linalg.norm(scale * gradient)
    np.testing.assert_allclose(steps, expected, rtol=1e-5)
    # The step has length rho where lengths are relative to sizes.
    assert np.linalg.norm(steps / scale) == pytest.approx(RHO, rel=1e-5)


def test_asam_does_not_depend_on_the_scale_of_weights():
    # Weights times c and gradients over c, as in a network that c leaves as it is, give steps times c.
    variables, values, gradients = make_case()
    steps = steepest_steps(variables[:1], values[:1], gradients[:1], "asam", RHO, 0.0)
    scaled = steepest_steps(
        variables[:1], [8 * values[0]], [gradients[0] / 8], "asam", RHO, 0.0
    )
    np.testing.assert_allclose(scaled[0], 8 * steps[0], rtol=1e-5)


@pytest.mark.parametrize("kind", ["sam", "asam"])
def test_the_scale_of_the_loss_does_not_matter_and_zero_gradients_give_no_step(kind):
    variables, values, gradients = make_case()
    steps = flat(steepest_steps(variables, values, gradients, kind, RHO, ETA))
    scaled = steepest_steps(
        variables, values, [2.0**15 * each for each in gradients], kind, RHO, ETA
    )
    np.testing.assert_allclose(flat(scaled), steps, rtol=1e-5)
    zeros = [0 * gradient for gradient in gradients]
    assert not flat(steepest_steps(variables, values, zeros, kind, RHO, ETA)).any()


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="Received: kind='flat'"):
        steepest_steps(*make_case(), "flat", RHO, ETA)
