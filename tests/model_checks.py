"""What is checked of every model, in one call."""

import keras
import numpy as np


def run_model_checks(make, inputs, folder, *, parameters, output_shape, paths=()):
    """Checks shapes, count, names and files of a model.

    Args:
        make: Function from further arguments of `create_model`, such as `weights`, to a new
            model, small enough to be built several times.
        inputs: Array that it takes, of at least two samples.
        folder: Where files can be written.
        parameters: How many numbers its weights hold.
        output_shape: Shape of its output for a sample; by task where it has several.
        paths: Weights that have to be there: in files they are found by these names.
    """
    model = make()
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:  # heads that start at zero say nothing
        if not np.any(weight):
            weight.assign(rng.normal(0, 0.02, weight.shape))

    assert model.count_params() == parameters
    check_shapes(model, inputs, output_shape)
    check_names(model, make(), paths)
    check_files(model, make, inputs, folder)


def check_shapes(model, inputs, output_shape):
    """Batches of any size give outputs of the shape that is said, finite."""
    if not isinstance(output_shape, dict):
        output_shape = {"": output_shape}
    said, outputs = _by_name(model.output), _by_name(model(inputs))
    one = _by_name(model(inputs[:1]))
    assert said.keys() == outputs.keys() == output_shape.keys()
    for name, shape in output_shape.items():
        assert said[name].shape == (None, *shape)
        assert outputs[name].shape == (len(inputs), *shape)
        assert one[name].shape == (1, *shape)
        assert np.isfinite(outputs[name]).all()


def check_names(model, again, paths):
    """No layer or weight has a name that Keras numbered: built again, names are the same."""
    names = [layer.name for layer in model.layers]
    assert names == [layer.name for layer in again.layers]
    found = [weight.path for weight in model.weights]
    assert found == [weight.path for weight in again.weights]
    assert len(set(names)) == len(names)
    assert len(set(found)) == len(found)
    assert set(paths) <= set(found)
    assert model.name == again.name


def check_files(model, make, inputs, folder):
    """Loaded from a file, and built with it as `weights`, it is the same to the bit."""
    path = folder / "model.keras"
    model.save(path)

    loaded = keras.models.load_model(path)

    assert loaded.to_json() == model.to_json()
    trained = [weight.path for weight in model.trainable_variables]
    assert [weight.path for weight in loaded.trainable_variables] == trained
    expected = _by_name(model(inputs))
    for other in (loaded, make(weights=path)):
        for name, output in _by_name(other(inputs)).items():
            np.testing.assert_array_equal(output, expected[name])


def _by_name(outputs):
    return outputs if isinstance(outputs, dict) else {"": outputs}
