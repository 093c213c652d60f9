"""What a run's network sees: its encoders, feature and attention maps, and where it finds a class."""

IMAGES = 32
"""How many images of a split are looked at, unless asked otherwise."""
