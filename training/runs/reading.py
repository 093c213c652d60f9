"""How the files are read that a run can be asked about: as those of its records were."""

import json
import logging
from pathlib import Path

from data_prep.modalities import get_reader
from data_prep.modalities.reader import Settings
from data_prep.records.schema import INFO_NAME
from training.runs.config import Config

logger = logging.getLogger(__name__)


def settings_of_run(config: Config) -> Settings:
    """The reader's settings of a run's records.

    Where the records are gone, what the run's configuration says of them, and the modality's
    own settings for what it does not say.
    """
    reader = get_reader(config.modality)
    build = _build_config(Path(config.records) / INFO_NAME)
    said = {"treatment": config.treatment}
    if reader.modality.keeps_size:
        said["image_size"] = config.input_size

    settings = reader.settings.from_answers({**(build or {}), **said})
    missing = [name for name in settings.OF_ANSWERS if name not in said]
    if build is None and missing:
        logger.warning(
            "%s are gone, and with them how their files were read; taken are %s",
            config.records,
            ", ".join(f"{name}={getattr(settings, name)}" for name in missing),
        )
    return settings


def _build_config(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError):
        return None
