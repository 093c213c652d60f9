"""Training, evaluation, explanation and prediction: programs around the models.

Whatever is imported of it, TensorFlow comes in first and without its greetings, and the
models and what networks of several outputs tell are registered.
"""

from keras_medformers.support.quiet_tensorflow import import_tensorflow

import_tensorflow()

from data_prep import labels as _labels  # noqa: E402, F401
from keras_medformers import models as _models  # noqa: E402, F401
