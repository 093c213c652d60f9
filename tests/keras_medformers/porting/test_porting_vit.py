"""timm's vision transformer checkpoints: names, other input sizes, other heads, both kinds of file."""

import keras
import numpy as np
import pytest

from keras_medformers import create_model
from keras_medformers.layers.position_embedding import resample_positions
from keras_medformers.porting import load_state_dict, read_checkpoint
from keras_medformers.porting.__main__ import main

TINY = dict(
    input_shape=(32, 32, 3),
    patch_size=8,
    num_layers=2,
    embed_dim=24,
    mlp_dim=32,
    num_heads=4,
)
DTVIT = {**TINY, "classifier_dim": 6, "stem": "patch"}


@pytest.fixture
def source():
    """A model whose weights are all different."""
    model = create_model("vit_base", 5, **TINY)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.uniform(-0.5, 0.5, weight.shape))
    return model


@pytest.fixture
def checkpoint(source, official_state_dict):
    """timm's arrays of it."""
    return official_state_dict(source)


def by_path(model):
    return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}


def assert_same_but_positions(model, source):
    theirs = by_path(source)
    for path, ours in by_path(model).items():
        if (
            path in theirs
            and path != "position_embedding/position"
            and not path.startswith("head")
        ):
            np.testing.assert_array_equal(ours, theirs[path], err_msg=path)


def write(path, checkpoint):
    if path.suffix == ".safetensors":
        pytest.importorskip("safetensors.numpy").save_file(checkpoint, path)
    else:
        torch = pytest.importorskip("torch")
        torch.save(
            {name: torch.tensor(array) for name, array in checkpoint.items()}, path
        )


def test_names_are_timms(checkpoint):
    assert checkpoint["pos_embed"].shape == (1, 17, 24) and checkpoint[
        "cls_token"
    ].shape == (1, 1, 24)
    assert checkpoint["patch_embed.proj.weight"].shape == (24, 3, 8, 8)
    assert checkpoint["blocks.1.attn.qkv.weight"].shape == (72, 24)
    assert len(checkpoint) == 4 + 2 * 12 + 2 + 2


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_files_of_both_kinds_load(source, checkpoint, tmp_path, ending):
    path = tmp_path / f"vit{ending}"
    write(path, checkpoint)
    model = create_model("vit_base", 5, **TINY)

    assert load_state_dict(model, read_checkpoint(path)) == []

    images = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(model(images), source(images))


def test_positions_are_resampled_for_another_input_size(source, checkpoint):
    model = create_model("vit_base", 5, **{**TINY, "input_shape": (48, 64, 3)})

    load_state_dict(model, checkpoint)

    expected = resample_positions(checkpoint["pos_embed"], (6, 8), 1)
    np.testing.assert_array_equal(
        model.get_layer("position_embedding").position, expected
    )
    assert_same_but_positions(model, source)


def test_positions_of_no_square_map_are_refused(checkpoint):
    model = create_model("vit_base", 5, **{**TINY, "input_shape": (48, 64, 3)})
    checkpoint["pos_embed"] = checkpoint["pos_embed"][:, :-1]

    with pytest.raises(ValueError, match=r"square map.*\(1, 16, 24\)"):
        load_state_dict(model, checkpoint)


@pytest.mark.parametrize("shape", [(17, 24), (1, 17, 25)])
def test_positions_of_another_form_are_named(checkpoint, shape):
    checkpoint["pos_embed"] = np.zeros(shape)

    with pytest.raises(ValueError, match="1 of the wrong shape: pos_embed of shape"):
        load_state_dict(create_model("vit_base", 5, **TINY), checkpoint)


def test_a_head_of_other_classes_is_refused_and_none_needs_none(source, checkpoint):
    with pytest.raises(ValueError, match="num_classes=5"):
        load_state_dict(create_model("vit_base", 6, **TINY), checkpoint)

    features = create_model("vit_base", 0, **TINY)
    assert load_state_dict(features, checkpoint) == ["head.bias", "head.weight"]
    assert_same_but_positions(features, source)


@pytest.mark.parametrize("name", ["scopeformer_vit", "dtvit_small"])
def test_heads_of_our_own_keep_their_values(source, checkpoint, name):
    model = create_model(
        name, **(DTVIT if name == "dtvit_small" else {**TINY, "classifier_dim": 6})
    )
    before = by_path(model)

    assert load_state_dict(model, checkpoint) == ["head.bias", "head.weight"]

    assert_same_but_positions(model, source)
    own = [path for path in before if "head" in path]
    assert len(own) == {"scopeformer_vit": 4, "dtvit_small": 8}[name]
    for path in own:
        np.testing.assert_array_equal(by_path(model)[path], before[path], err_msg=path)


def test_a_tensor_that_is_missing_from_the_encoder_is_named(checkpoint):
    del checkpoint["blocks.0.attn.qkv.bias"]

    with pytest.raises(ValueError, match="1 missing: blocks.0.attn.qkv.bias"):
        load_state_dict(create_model("dtvit_small", **DTVIT), checkpoint)


def test_a_stem_of_convolutions_is_none_that_timm_has(checkpoint):
    with pytest.raises(
        ValueError, match="timm's vision transformers have.*stem_conv_0"
    ):
        load_state_dict(
            create_model("dtvit_small", **{**DTVIT, "stem": "conv"}), checkpoint
        )


def test_the_command_writes_what_dtvit_starts_from(source, checkpoint, tmp_path):
    write(tmp_path / "vit.pth", checkpoint)
    output = tmp_path / "dtvit.weights.h5"
    settings = {**DTVIT, "input_shape": (64, 64, 3), "classifier_dim": None}
    assignments = [f"{key}={value}" for key, value in settings.items()]

    assert (
        main(
            [
                "dtvit_small",
                str(tmp_path / "vit.pth"),
                str(output),
                "--set",
                *assignments,
            ]
        )
        == 0
    )

    assert_same_but_positions(
        create_model("dtvit_small", weights=output, **settings), source
    )
