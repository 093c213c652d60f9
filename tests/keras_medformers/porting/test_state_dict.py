"""Loading official weights: PyTorch's outputs, or an error that names each tensor that is wrong."""

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.porting import load_state_dict


def weights_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def refused(model, state_dict):
    """The message of the refusal; the model must be as it was."""
    before = weights_of(model)
    with pytest.raises(ValueError) as error:
        load_state_dict(model, state_dict)
    after = weights_of(model)
    assert all(np.array_equal(before[path], after[path]) for path in before)
    return str(error.value)


def test_outputs_are_those_of_torch(small_network, state_dict):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    layers = nn.ModuleDict(
        {
            "stem": nn.Conv2d(3, 4, 3, padding=1),
            "stem_norm": nn.BatchNorm2d(4),
            "mix": nn.Conv2d(4, 8, 3, padding=1, groups=4),
            "group": nn.Conv2d(8, 6, 3, padding=1, groups=2),
            "lines": nn.Conv1d(6, 5, 3, padding=1),
            "norm": nn.LayerNorm(5),
            "head": nn.Linear(5, 3),
        }
    ).eval()
    tensors = {name: torch.tensor(array) for name, array in state_dict.items()}
    layers.load_state_dict(tensors)
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")
    with torch.no_grad():
        x = torch.tensor(images).permute(0, 3, 1, 2)
        for name in ("stem", "stem_norm", "mix", "group"):
            x = layers[name](x)
        x = layers["norm"](layers["lines"](x.flatten(2)).transpose(1, 2)).mean(1)
        expected = layers["head"](x).numpy()

    state_dict = {name: tensor.numpy() for name, tensor in layers.state_dict().items()}
    assert load_state_dict(small_network, state_dict) == [
        "stem_norm.num_batches_tracked"
    ]
    outputs = small_network.predict(images, verbose=0)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_every_weight_is_set_and_no_seed(small_network, state_dict):
    seed = small_network.get_layer("drop").seed_generator.state
    before = keras.ops.convert_to_numpy(seed)
    assert any(variable is seed for variable in small_network.variables)
    load_state_dict(small_network, state_dict)
    np.testing.assert_array_equal(seed, before)
    norm = small_network.get_layer("stem_norm")
    np.testing.assert_array_equal(
        norm.moving_mean, state_dict["stem_norm.running_mean"]
    )
    np.testing.assert_array_equal(
        norm.moving_variance, state_dict["stem_norm.running_var"]
    )
    kernel = keras.ops.convert_to_numpy(small_network.get_layer("stem").kernel)
    assert kernel[2, 1, 0, 3] == state_dict["stem.weight"][3, 0, 2, 1]


def test_a_sequential_model_loads_too(state_dict):
    layers = [keras.Input((5,)), keras.layers.Dense(3, name="head")]
    model = keras.Sequential(layers, name="small_network")
    load_state_dict(
        model, {name: state_dict[name] for name in ("head.weight", "head.bias")}
    )
    np.testing.assert_array_equal(
        model.get_layer("head").kernel, state_dict["head.weight"].T
    )


def test_names_that_nothing_reads_are_accepted_and_returned(small_network, state_dict):
    state_dict["aux1.weight"] = np.zeros(7)
    state_dict["stem_norm.num_batches_tracked"] = np.array(5)
    state_dict["blocks.0.attn.relative_position_index"] = np.zeros((4, 4), "int64")
    assert load_state_dict(small_network, state_dict) == [
        "aux1.weight",
        "blocks.0.attn.relative_position_index",
        "stem_norm.num_batches_tracked",
    ]


def test_all_that_is_wrong_is_named(small_network, state_dict):
    del state_dict["mix.bias"], state_dict["stem_norm.running_var"]
    state_dict["aux1.weights"] = np.zeros(7)
    state_dict["aux1.weight.more"] = np.zeros(7)
    state_dict["stem.bias"] = np.zeros(5, "float32")
    state_dict["group.weight"] = state_dict["group.weight"][:, :2]
    state_dict["norm.weight"][2] = np.nan
    state_dict["norm.bias"][:2] = np.inf, -np.inf
    state_dict["head.bias"] = np.array(["a", "b", "c"])
    message = refused(small_network, state_dict)
    for line in (
        "2 missing: mix.bias, stem_norm.running_var.",
        "2 unexpected: aux1.weight.more, aux1.weights.",
        "2 of the wrong shape: group.weight of shape (6, 2, 3, 3) for group/kernel of shape (3, 3, 4, 6), "
        "stem.bias of shape (5,) for stem/bias of shape (4,).",
    ):
        assert line in message.splitlines()
    assert (
        "norm.weight (1 NaN or infinite)" in message
        and "norm.bias (2 NaN or infinite)" in message
    )
    assert "head.bias (not an array of numbers" in message


@pytest.mark.parametrize(
    "shape", [(8, 1, 9, 1), (4, 2, 3, 3), (1, 8, 3, 3), (2, 4, 3, 3), (72,)]
)
def test_a_depthwise_kernel_of_as_many_values_in_another_shape_is_refused(
    small_network, state_dict, shape
):
    state_dict["mix.weight"] = state_dict["mix.weight"].reshape(shape)
    assert f"mix.weight of shape {shape} for mix/kernel" in refused(
        small_network, state_dict
    )


def test_one_filter_and_a_depthwise_kernel_are_not_taken_for_each_other():
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(1, 3, use_bias=False, name="filter")(image)
    y = keras.layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(image)
    model = keras.Model(image, x + y, name="small_network")
    assert (
        model.get_layer("filter").kernel.shape
        == model.get_layer("depthwise").kernel.shape
    )
    right = {
        "filter.weight": np.ones((1, 2, 3, 3)),
        "depthwise.weight": np.ones((2, 1, 3, 3)),
    }
    load_state_dict(model, right)
    message = refused(
        model, {name: array.swapaxes(0, 1) for name, array in right.items()}
    )
    assert "2 of the wrong shape" in message


def test_another_number_of_classes_is_said(other_small_network, state_dict):
    message = refused(other_small_network(num_classes=7), state_dict)
    assert "head.weight of shape (3, 5) for head/kernel of shape (5, 7)" in message
    assert "num_classes=3" in message
    assert "num_classes" not in refused(
        other_small_network(), {**state_dict, "stem.bias": np.zeros(9)}
    )


def test_a_long_list_is_cut(small_network, state_dict):
    state_dict.update({f"extra_{number:03}": np.zeros(1) for number in range(200)})
    message = refused(small_network, state_dict)
    assert "200 unexpected: extra_000, " in message and "and 175 more" in message
    assert "extra_024" in message and "extra_025" not in message


def test_a_checkpoint_of_another_network_is_said(small_network):
    message = refused(small_network, {"layer1.weight": np.zeros(3)})
    assert "another network" in message and "16 missing" in message


def test_a_model_without_rules_is_refused(other_small_network, state_dict):
    message = refused(other_small_network(name="scopeformer"), state_dict)
    assert "'scopeformer'" in message and "hifuse" in message


def test_hifuse_loads_and_names_each_changed_or_missing_tensor(official_state_dict):
    settings = {
        "num_classes": 3,
        "input_shape": (64, 64, 3),
        "window_size": 2,
        "depths": (1, 1, 1, 1),
    }
    source = create_model("hifuse_narrow", **settings)
    keras.utils.set_random_seed(1)
    for weight in source.weights:
        weight.assign(keras.random.uniform(weight.shape, 0.5, 1.5))
    state_dict = official_state_dict(source)
    model = create_model("hifuse_narrow", **settings)
    load_state_dict(model, {**state_dict, "fu1.norm1.weight": np.zeros(2)})
    for ours, theirs in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)

    model = create_model("hifuse_narrow", **settings)
    changed = dict(state_dict)
    changed["layers2.blocks.0.attn.qkv_weight"] = changed.pop(
        "layers2.blocks.0.attn.qkv.weight"
    )
    changed["conv_norm.bias"] = changed["conv_norm.bias"][:-1]
    message = refused(model, changed)
    assert "1 missing: layers2.blocks.0.attn.qkv.weight." in message
    assert "1 unexpected: layers2.blocks.0.attn.qkv_weight." in message
    assert "1 of the wrong shape: conv_norm.bias of shape" in message
