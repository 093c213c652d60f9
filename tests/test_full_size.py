"""Efficient Scopeformer at full size: built, run, exported, and served without this package."""

import subprocess
import sys

import numpy as np
import pytest

BUILD_RUN_AND_EXPORT = """
import sys
import keras
import numpy as np
import keras_medformers
from keras_medformers.serving import export_saved_model

keras.utils.set_random_seed(0)
model = keras_medformers.create_model("scopeformer")
preprocessor = keras_medformers.preprocessor("scopeformer")
hu = np.load(sys.argv[1])
logits = model.predict(preprocessor(hu), verbose=0)
np.save(sys.argv[2], 1 / (1 + np.exp(-logits)))
labels = ["any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"]
export_saved_model(model, preprocessor, labels, sys.argv[3], samples=[hu[:1]])
"""

LOAD_AND_RUN = """
import sys
sys.modules["keras"] = sys.modules["keras_medformers"] = None
import numpy as np
import tensorflow as tf

signature = tf.saved_model.load(sys.argv[2] + "/1").signatures["serving_default"]
outputs = signature(pixels=tf.constant(np.load(sys.argv[1])))
np.save(sys.argv[3], outputs["probabilities"].numpy())
"""


@pytest.mark.slow
def test_served_without_this_package_it_equals_the_keras_model(tmp_path):
    hu = np.random.default_rng(0).integers(-100, 200, (2, 512, 512, 1), "int16")
    np.save(tmp_path / "hu.npy", hu)

    def run(script, *names, **options):
        paths = [str(tmp_path / name) for name in names]
        subprocess.run([sys.executable, "-c", script, *paths], check=True, **options)

    run(BUILD_RUN_AND_EXPORT, "hu.npy", "keras.npy", "export")
    run(LOAD_AND_RUN, "hu.npy", "export", "served.npy", cwd=tmp_path)

    expected, served = np.load(tmp_path / "keras.npy"), np.load(tmp_path / "served.npy")
    assert served.shape == (2, 6)
    np.testing.assert_allclose(served, expected, atol=1e-4)
