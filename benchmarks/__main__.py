"""Runs every benchmark with its defaults: `python -m benchmarks`."""

import sys

from benchmarks import re_attention, records
from data_prep import command_line, tfrecords


def main(argv=None):
    """Makes the phantoms if they are not there, then runs the benchmarks one after the other."""
    tfrecords.main([])
    for benchmark in (records, re_attention):
        benchmark.main([])


if __name__ == "__main__":
    sys.exit(command_line.run(main))
