"""Runs as tests need them: trained, or with everything that a run leaves."""

import dataclasses

from training.runs import session


def train_new(run_dir, config, **values):
    """Trains a run of a configuration with other values for some keys; returns its folder."""
    session.open_run(run_dir, dataclasses.replace(config, **values))
    session.train(run_dir)
    return run_dir


def make_whole_run(run_dir, config):
    """Trains, evaluates and exports a run without interruption; returns its folder."""
    train_new(run_dir, config)
    session.evaluate(run_dir)
    session.export(run_dir)
    return run_dir
