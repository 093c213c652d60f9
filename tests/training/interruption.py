"""Runs that are interrupted and go on, and whether two runs are the same."""

import numpy as np
import pytest
from small_records import rows_of

from training.fit import callbacks
from training.runs import session


def train_interrupted(run_dir, monkeypatch, where, epoch):
    """Trains an opened run until Ctrl-C in the method `where`, "Class.method" of a callback, in this epoch.

    Epochs count from 0.
    """
    name, method = where.split(".")
    original = getattr(getattr(callbacks, name), method)

    def interrupted(self, number, logs=None):
        if number == epoch:
            raise KeyboardInterrupt
        original(self, number, logs)

    with monkeypatch.context() as patch:
        patch.setattr(getattr(callbacks, name), method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.train(run_dir)
    assert callbacks.Checkpoints(run_dir).finished_epochs() == epoch
    assert not (run_dir / "model.keras").exists()


def assert_same_run(run_dir, other):
    """Same rows and, bit for bit, same weights."""
    assert rows_of(run_dir) == rows_of(other)
    models = (session.load_model(one).get_weights() for one in (run_dir, other))
    for found, expected in zip(*models, strict=True):
        np.testing.assert_array_equal(found, expected)
