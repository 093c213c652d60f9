"""One file per architecture; importing this package registers them all."""

from keras_medformers.models import gmic, hct, hifuse, scopeformer

__all__ = ["gmic", "hct", "hifuse", "scopeformer"]
