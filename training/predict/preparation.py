"""What happens to a file before a model sees it: the same as to those of the records that it learned from."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.records.resolve_config import FULL_HEIGHT_PX
from data_prep.records.schema import INFO_NAME
from keras_medformers.modalities import get_modality
from training.runs.config import Config

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How files are read.

    Attributes:
        treatment: See `data_prep.modalities.head_ct.treatment`; None where slices stay as they are.
        twelve_bit_correction: Whether RSNA's 12-bit slices with a wrong intercept are repaired.
        image_height_px: Height of mammograms as the model takes them; None for other images.
        source_height_px: Pixels of the files that this height stands for.
        flip: Whether right breasts are flipped.
    """

    treatment: str | None = None
    twelve_bit_correction: bool = True
    image_height_px: int | None = None
    source_height_px: int = FULL_HEIGHT_PX
    flip: bool = True

    def to_json(self) -> dict[str, Any]:
        """The fields, for a model card."""
        return dataclasses.asdict(self)


def preparation_of_run(config: Config) -> Preparation:
    """How the records of a run were made; where they are gone, what its configuration says of them."""
    build = _build_config(Path(config.records) / INFO_NAME)
    if build is None and get_modality(config.modality).keeps_size:
        logger.warning(
            "%s are gone: mammograms are taken to be %d pixels high, and right ones are flipped",
            config.records,
            FULL_HEIGHT_PX,
        )
    build = build or {}
    return Preparation(
        treatment=config.treatment,
        twelve_bit_correction=build.get("twelve_bit_correction") is not False,
        image_height_px=config.input_size
        if get_modality(config.modality).keeps_size
        else None,
        source_height_px=build.get("source_height") or FULL_HEIGHT_PX,
        flip=build.get("flip") is not False,
    )


def preparation_of_card(card: Mapping[str, Any]) -> Preparation:
    """How a model card says that files are read.

    Raises:
        TypeError: If it says something else.
    """
    return Preparation(**card.get("preparation", {"treatment": card["treatment"]}))


def _build_config(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError):
        return None
