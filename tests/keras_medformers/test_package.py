"""The package is light, and Keras knows its layers whichever of the two is imported first."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_medformers.layers import ImageStandardization

LOAD = "model = keras.models.load_model(sys.argv[1]); print(type(model.layers[0]).__name__)"


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "imports",
    [
        "import keras, keras_medformers",
        "import keras_medformers, keras",
        "import keras_medformers.support.errors, keras",
        "import keras_medformers.layers, keras",
        "import keras_medformers; keras_medformers.list_models(); import keras",
    ],
)
def test_saved_models_load_in_any_order_of_imports(imports, tmp_path):
    model = keras.Sequential([keras.Input((4, 4, 1)), ImageStandardization()])
    model.save(tmp_path / "model.keras")
    assert np.isfinite(model(np.ones((1, 4, 4, 1)))).all()

    loaded = run(f"import sys; {imports}; {LOAD}", tmp_path / "model.keras")

    assert loaded.split()[-1] == "ImageStandardization"


def test_the_package_alone_imports_no_keras():
    loaded = run(
        "import sys, keras_medformers; print(*{'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert loaded.strip() == ""
