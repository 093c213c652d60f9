"""Sharpness-aware minimisation: gradients are taken where the loss nearby is highest.

Plain functions of tensors; `training.fit.stepwise` runs them in a training step.
"""

from collections.abc import Sequence

from keras import ops

SAM, ASAM = "sam", "asam"

SMALLEST_NORM = 1e-12
NOT_ADAPTED = ("bias", "beta")
"""Names of the variables that ASAM moves as SAM does: its published code scales what is called a weight."""


def steepest_steps(
    variables: Sequence,
    values: Sequence,
    gradients: Sequence,
    kind: str,
    rho: float,
    eta: float,
) -> list:
    """The steps of length `rho` that raise the loss most, to first order.

    SAM's is `rho * g / |g|`. ASAM measures length relative to each value's size, by T = |w| + eta, or 1 for
    biases: `rho * T^2 g / |T g|`. Norms are over all variables together.

    Args:
        variables: `keras.Variable`s, for their names.
        values: Their values, tensors.
        gradients: Gradients of the loss there, tensors; of any scale, as it cancels.
        kind: `"sam"` or `"asam"`.
        rho: Length of the step.
        eta: Added to the size of each value, for ASAM.

    Returns:
        A tensor per variable.

    Raises:
        ValueError: If `kind` is neither.

    Reference:
        Foret et al., Sharpness-Aware Minimization, equation (2) with p = 2;
        Kwon et al., ASAM, equation (14) and Algorithm 1.
    """
    if kind not in (SAM, ASAM):
        raise ValueError(
            f"Expected `kind` of {SAM!r} or {ASAM!r}. Received: kind={kind!r}"
        )

    if kind == SAM:
        scales = [ops.ones_like(value) for value in values]
    else:
        scales = [
            ops.ones_like(value)
            if variable.name in NOT_ADAPTED
            else ops.abs(value) + eta
            for variable, value in zip(variables, values, strict=True)
        ]

    scaled = [
        scale * gradient for scale, gradient in zip(scales, gradients, strict=True)
    ]
    norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in scaled))
    factor = rho / ops.maximum(norm, SMALLEST_NORM)
    return [
        factor * scale * gradient
        for scale, gradient in zip(scales, scaled, strict=True)
    ]
