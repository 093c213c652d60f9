"""The programs know the package's variants by heart, as they show their help before TensorFlow comes in."""

from benchmarks import serving
from keras_medformers.serving import optimize
from training import export


def test_programs_name_the_variants_that_there_are():
    known = tuple(optimize.VARIANTS)
    assert tuple(export.VARIANTS) == known == serving.VARIANTS
