"""Redraws a folder tree of photographs in one style; an interrupted run goes on where it stopped."""

import hashlib
import itertools
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from data_prep.datasets.base import Reject
from data_prep.modalities.photograph.pictures import UnreadablePhotograph
from data_prep.records.schema import REJECTS_NAME
from data_prep.style_transfer.config import StyleTransferConfig
from data_prep.style_transfer.contact_sheet import ROWS, write_contact_sheet
from data_prep.style_transfer.folder import OutputFolder
from data_prep.style_transfer.pictures import (
    pictures_in,
    read_content,
    read_style,
    write_picture,
)
from data_prep.style_transfer.transfer import StyleTransfer
from keras_medformers.support.errors import UserError
from keras_medformers.support.whole_files import write_csv

if TYPE_CHECKING:
    from data_prep.style_transfer.transfer import StyleTransfer

CONTACT_SHEET_FILE = "contact_sheet.png"
IMAGENET = "imagenet"
UNTRAINED = "none"

logger = logging.getLogger(__name__)


def restyle(
    content_dir: Path,
    style_path: Path,
    output_dir: Path,
    config: StyleTransferConfig,
    weights: str = IMAGENET,
    batch_size: int = 8,
) -> dict[str, int]:
    """Redraws the pictures, or those that are missing.

    Every picture keeps its path and its format. Beside them come `losses.csv`, `rejects.csv`,
    `contact_sheet.png` and `style_transfer.json`, the settings.

    Args:
        content_dir: Folder with the photographs, in it or below.
        style_path: A CT slice, which is looked at in the brain window, or a picture.
        output_dir: New, empty, or left by an earlier run with the same settings.
        config: How to redraw.
        weights: Of VGG19: "imagenet", "none" or the path of a file without top.
        batch_size: Pictures to redraw at once; they do not influence each other.

    Returns:
        Numbers of "pictures" and "rejects".

    Raises:
        UserError: If a folder, the style or the weights cannot be used; the output
            folder holds something else; no picture can be read; or a loss is not
            finite.
    """
    content_dir, output_dir = content_dir.resolve(), output_dir.resolve()
    if output_dir.is_relative_to(content_dir) or content_dir.is_relative_to(output_dir):
        raise UserError(
            f"--content {content_dir} and --output {output_dir} lie in each other; move one out"
        )

    files = pictures_in(content_dir)
    style = read_style(style_path, config.size)
    folder = OutputFolder(
        output_dir, _settings(config, content_dir, style_path, weights)
    )
    done = folder.claim()
    missing = [file for file in files if file not in done]
    logger.info(
        "%s: %d pictures to redraw, %d are done.", content_dir, len(missing), len(done)
    )
    rejects = []
    batches = _batches(content_dir, missing, config.size, batch_size, rejects)
    first = next(batches, None)
    if first is not None:
        transfer = _transfer(style, weights, batch_size, config)
        with tqdm(
            total=len(missing), desc="style transfer", unit="picture", disable=None
        ) as bar:
            for batch in itertools.chain([first], batches):
                shown = len(done)
                done |= _redraw(transfer, batch, folder)
                bar.update(len(batch))
                if shown < ROWS:
                    sheet = [file for file in files if file in done]
                    write_contact_sheet(
                        output_dir / CONTACT_SHEET_FILE,
                        sheet,
                        content_dir,
                        style,
                        output_dir,
                    )

    write_csv(output_dir / REJECTS_NAME, Reject._fields, sorted(rejects))
    if not done:
        raise UserError(
            f"none of {len(files)} pictures in {content_dir} could be read; "
            f"{output_dir / REJECTS_NAME} says why"
        )

    summary = {"pictures": len(done), "rejects": len(rejects)}
    folder.describe(summary)
    logger.info(
        "%s: %d pictures; %d set aside, see %s there.",
        output_dir,
        len(done),
        len(rejects),
        REJECTS_NAME,
    )

    return summary


def _settings(
    config: StyleTransferConfig, content_dir: Path, style_path: Path, weights: str
) -> dict:
    if weights not in (IMAGENET, UNTRAINED):
        if not Path(weights).is_file():
            raise UserError(
                f"--weights {weights} is no file; give one, {IMAGENET} or {UNTRAINED}"
            )
        weights = _sha256(Path(weights))
    return asdict(config) | {
        "content": str(content_dir),
        "style_sha256": _sha256(style_path),
        "weights": weights,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _batches(
    content_dir: Path,
    files: list[str],
    size: int,
    batch_size: int,
    rejects: list[Reject],
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Batches of file and picture; adds what cannot be read to `rejects`."""

    def readable() -> Iterator[tuple[str, np.ndarray]]:
        for file in files:
            try:
                yield file, read_content(content_dir / file, size)
            except UnreadablePhotograph as error:
                rejects.append(Reject(file, error.reason))

    pictures = readable()
    return iter(lambda: list(itertools.islice(pictures, batch_size)), [])


def _transfer(
    style: np.ndarray, weights: str, batch_size: int, config: StyleTransferConfig
) -> "StyleTransfer":
    if weights == UNTRAINED:
        logger.warning(
            "UNTRAINED VGG19: no pretrained weights were asked for. Good for trying the program, not for "
            "results."
        )
    return StyleTransfer(
        style, None if weights == UNTRAINED else weights, batch_size, config
    )


def _redraw(
    transfer: "StyleTransfer", batch: list[tuple[str, np.ndarray]], folder: OutputFolder
) -> set[str]:
    """Redraws a batch and writes its pictures; returns their files."""
    files, contents = zip(*batch, strict=True)
    pictures, losses = transfer.restyle(np.stack(contents))
    for file, picture, of_picture in zip(files, pictures, losses, strict=True):
        if not np.isfinite(of_picture).all():
            raise UserError(
                f"the loss of {file} is not finite ({of_picture}); check --weights, or give smaller "
                "--style-weight and --step-size"
            )
        write_picture(folder.path / file, picture)
        folder.add(file, of_picture)
    return set(files)
