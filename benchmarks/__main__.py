"""Runs every benchmark: `python -m benchmarks`; each has more options as a program of its own."""

import argparse
import sys

from benchmarks import (
    attention_scaling,
    attention_width,
    feature_records,
    hct,
    hifuse,
    multiply_adds,
    re_attention,
    records,
)
from data_prep import tfrecords
from keras_medformers.support import command_line


def main(argv=None):
    """Makes the phantoms if they are not there, then runs the benchmarks one after the other."""
    argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Runs every benchmark, which takes long, on phantoms that it makes where "
        "there are none. Each has options as a program of its own: python -m "
        "benchmarks.records --help.",
    ).parse_args(argv)
    tfrecords.main([])
    own = (
        records,
        feature_records,
        re_attention,
        attention_width,
        attention_scaling,
        multiply_adds,
        hct,
    )
    for benchmark in own:
        benchmark.main([])
    # XLA takes minutes to compile a training step, and on CPUs it is slower.
    hifuse.main(["--sizes", "tiny", "--modes", "eager", "compiled"])


if __name__ == "__main__":
    sys.exit(command_line.run(main))
