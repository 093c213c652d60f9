"""Models run block by block: where they are cut, and that nothing but memory changes."""

from unittest.mock import Mock

import keras
import numpy as np
import pytest

import keras_medformers
from training.fit.recompute import run_blocks, split_into_blocks
from training.fit.stepwise import stepwise


def residual_model():
    """Two residual blocks with normalisation and dropout, and a branch around the second."""
    keras.utils.set_random_seed(1)
    x = image = keras.Input((8, 8, 2))
    for block in range(2):
        y = keras.layers.BatchNormalization(name=f"norm_{block}")(x)
        y = keras.layers.Conv2D(2, 3, padding="same", name=f"conv_{block}")(y)
        y = keras.layers.Dropout(0.3, seed=block, name=f"dropout_{block}")(y)
        x = keras.layers.Add(name=f"sum_{block}")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(2, name="head")(x))


def blocks_of(name, model):
    block_ends = keras_medformers.registry.model_entry(name).layers.blocks
    return split_into_blocks(model, block_ends)


def test_blocks_end_where_branches_meet_and_where_the_model_says():
    blocks = split_into_blocks(residual_model())
    assert [block.layers[-1].name for block in blocks] == ["sum_0", "sum_1", "head"]
    hct = keras_medformers.create_model("hct", input_shape=(None, None, 1))
    ends = [block.layers[-1].name for block in blocks_of("hct", hct)]
    stages = [
        f"conv_stage_{stage}_block_{block}" for stage in range(3) for block in range(2)
    ]
    stages += [
        f"ac_stage_{stage}_block_{block}" for stage in range(2) for block in range(2)
    ]
    assert ends == ["stem_pool", *stages, "head"]
    vit = keras_medformers.create_model(
        "dtvit_small", num_classes=0, input_shape=(32, 32, 3)
    )
    ends = [block.layers[-1].name for block in blocks_of("dtvit_small", vit)]
    assert ends == [*(f"encoder_{index}" for index in range(4)), "class_features"]


def test_what_is_needed_later_is_no_end():
    image = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(image)
    inner = keras.layers.Add(name="inner")([x, keras.layers.Dense(4)(x)])
    outer = keras.layers.Add(name="outer")([x, keras.layers.Dense(4)(inner)])
    blocks = split_into_blocks(
        keras.Model(image, keras.layers.Dense(1, name="head")(outer))
    )
    assert [block.layers[-1].name for block in blocks] == ["outer", "head"]


def test_a_model_without_branches_is_one_block():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)]
    )
    (block,) = split_into_blocks(keras.Model(model.inputs[0], model.outputs[0]))
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(block(x), model(x))


def test_blocks_give_what_the_model_gives_and_leave_its_variables_alone():
    model = residual_model()
    before = model.get_weights()
    values = {id(variable): variable.value for variable in model.variables}
    x = np.random.default_rng(0).standard_normal((4, 8, 8, 2)).astype("float32")
    y, after = run_blocks(split_into_blocks(model), values, x)
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_array_equal(y, model(x, training=True))
    for variable in model.non_trainable_variables:
        np.testing.assert_array_equal(after[id(variable)], variable)
    assert any(
        not np.array_equal(*pair)
        for pair in zip(before, model.get_weights(), strict=True)
    )


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_every_encoder_of_a_transformer_is_computed_twice_to_the_same_step(precision):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 48, 3)).astype("float32")
    losses, weights, calls = [], [], []
    for recompute in (False, True):
        model = small_transformer(precision)
        encoder_mlp = model.get_layer("encoder_0").mlp.fc1
        encoder_mlp.call = Mock(side_effect=encoder_mlp.call)
        stepping = stepwise(model, recompute=recompute, block_ends=("encoder_*",))
        stepping.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )
        losses.append(
            [stepping.train_on_batch(images, np.eye(5)[:2]) for _ in range(2)]
        )
        weights.append(model.get_weights())
        calls.append(encoder_mlp.call.call_count)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    for plain, recomputed in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, recomputed, rtol=1e-5, atol=1e-7)
    assert calls == [1, 2]  # traced once more, for the gradients


def small_transformer(precision):
    settings = {
        "patch_size": 8,
        "num_layers": 2,
        "embed_dim": 24,
        "mlp_dim": 32,
        "num_heads": 4,
    }
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    try:
        return keras_medformers.create_model(
            "vit_base", 5, input_shape=(32, 48, 3), **settings
        )
    finally:
        keras.config.set_dtype_policy("float32")


def fitted(model):
    x = np.random.default_rng(0).standard_normal((8, 8, 8, 2)).astype("float32")
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        x, np.eye(2)[np.arange(8) % 2], batch_size=4, epochs=2, shuffle=False, verbose=0
    )
    return [variable.numpy() for variable in model.variables]


def test_training_is_the_same_to_the_last_digit():
    # Running statistics count each batch once, and a repeated block drops the units it dropped before.
    plain = fitted(residual_model())
    for values in (
        fitted(stepwise(residual_model())),
        fitted(stepwise(residual_model(), recompute=True)),
    ):
        for value, expected in zip(values, plain, strict=True):
            np.testing.assert_array_equal(value, expected)
