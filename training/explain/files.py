"""Grad-CAM over files: overlays, their contact sheet and the table of what was found."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import pandas as pd
from tqdm import tqdm

from keras_medformers.support.errors import UnreadableImage, UserError
from training.explain.contact_sheet import contact_sheet, pair_of
from training.explain.explainer import Explainer
from training.figures.canvas import to_png

logger = logging.getLogger(__name__)

SHEET_PICTURES = 48


def explain_files(
    files: Sequence[Path], explainer: Explainer, output: Path, batch_size: int
) -> tuple[list[dict], list[tuple]]:
    """Explains the files and writes all results into `output`.

    Args:
        files: Paths.
        explainer: An `Explainer`.
        output: Folder that is there.
        batch_size: Files held and run at a time.

    Returns:
        The rows of `explain.csv`, and `(file, reason)` of the files set aside.

    Raises:
        UserError: If no file can be read, or the layer does not fit.
    """
    rows, rejects, pairs, waiting, names = [], [], [], [], set()

    def explain_waiting():
        if not waiting:
            return

        paths, images = zip(*waiting, strict=True)
        for path, (found, picture, shown) in zip(
            paths, explainer.explain(images), strict=True
        ):
            overlay_name = _unused(f"{path.stem}_{found['label']}", names) + ".png"
            (output / overlay_name).write_bytes(
                cv2.imencode(".png", shown[..., ::-1])[1].tobytes()
            )
            rows.append({"file": path, **found, "overlay": overlay_name})
            if len(pairs) < SHEET_PICTURES:
                pairs.append(pair_of(path.name, found, picture, shown))

        waiting.clear()

    for path in tqdm(files, unit="file", desc="explain"):
        try:
            waiting.append((path, explainer.read(path)))
        except UnreadableImage as refused:
            rejects.append((path, refused.reason))
        if len(waiting) == batch_size:
            explain_waiting()
    explain_waiting()

    pd.DataFrame(rejects, columns=["file", "reason"]).to_csv(
        output / "rejects.csv", index=False
    )
    for path, reason in rejects:
        logger.warning("set aside: %s: %s", path, reason)
    if not rows:
        raise UserError(
            f"none of the {len(files)} files is a {explainer.noun} that can be read"
        )
    pd.DataFrame(rows).to_csv(output / "explain.csv", index=False)
    (output / "contact_sheet.png").write_bytes(to_png(contact_sheet(pairs)))
    if len(rows) > len(pairs):
        logger.info("contact_sheet.png shows the first %d of %d", len(pairs), len(rows))
    return rows, rejects


def _unused(name, names):
    """A file name like `name` that is not yet among `names` (capitals aside), which it joins."""
    name = re.sub(r"[^\w.-]+", "_", name)
    candidate, number = name, 1
    while candidate.casefold() in names:
        number += 1
        candidate = f"{name}-{number}"
    names.add(candidate.casefold())
    return candidate
