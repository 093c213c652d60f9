"""Shows where in pictures or CT slices a run's network finds a class: Grad-CAM, laid over each as colour.

    python -m training.explain --run runs/NAME picture.jpg folder/ ...

Writes per file NAME_LABEL.png, of the picture's size; contact_sheet.png, each picture beside its overlay;
explain.csv, the predicted and the shown label with its probability; rejects.csv, files that cannot be read.
The label shown is the one with the highest probability, unless --label names one. A network that sees the
middle of a picture leaves the rest without colour.
"""

import argparse
import logging
import pathlib
import re

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep import command_line
from data_prep.dicom_ct import read_slice
from data_prep.errors import UnreadableImage, UserError
from data_prep.photograph import read_photograph
from data_prep.quiet_tensorflow import import_tensorflow
from data_prep.schema import CT, PHOTOGRAPH
from training.config import Config
from training.figures.canvas import INK, to_png
from training.figures.examples import BRAIN_WINDOW_HU
from training.predict import find_files

logger = logging.getLogger(__name__)

SHEET_PICTURES = 48
SHEET_COLUMNS = 3
TILE_PX = 240


def main(argv=None):
    """The program behind `make explain`."""
    arguments = make_parser().parse_args(argv)
    output = pathlib.Path(arguments.output or pathlib.Path(arguments.run) / "explain")
    files = [path for path in find_files(arguments.paths) if output.resolve() not in path.resolve().parents]
    explainer = Explainer(arguments.run, arguments.layer, arguments.label)
    rows, rejects = explain_files(files, explainer, output, arguments.batch_size)
    for path, reason in rejects:
        logger.warning("set aside: %s: %s", path, reason)
    if not rows:
        raise UserError(f"none of the {len(files)} files is a {explainer.noun} that can be read")
    logger.info("%d of %d files explained, %d set aside; overlays, contact_sheet.png and explain.csv in %s. "
                "Not for clinical use.", len(rows), len(files), len(rejects), output)


def make_parser():
    """The program's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m training.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH",
                        help="pictures, or DICOM files for a run on CT, or folders of them")
    parser.add_argument("--run", required=True, help="folder of a trained run")
    parser.add_argument("--output", metavar="DIR", help="folder for the results (default: RUN/explain)")
    parser.add_argument("--layer", default="feature_map", metavar="NAME",
                        help="layer of the network whose map is used (default: %(default)s)")
    parser.add_argument("--label", metavar="NAME", help="label to show (default: the predicted one)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N",
                        help="images run at a time (default: %(default)s)")
    return parser


class Explainer:
    """A run's network and what belongs to it.

    Args:
        run_dir: Folder of a trained run.
        layer_name: Layer whose map is used.
        label: Label to show, or None for the predicted one.

    Raises:
        UserError: If there is no such run, label or layer.
    """

    def __init__(self, run_dir, layer_name, label):
        self.config = Config.load(run_dir)
        if label is not None and label not in self.config.label_names:
            raise UserError(
                f"expected --label to be one of {', '.join(self.config.label_names)}, received {label!r}"
            )
        import_tensorflow()
        import keras_medformers  # after TensorFlow came in quietly
        from training import session, tasks

        self.layer_name = layer_name
        self.class_index = None if label is None else self.config.label_names.index(label)
        self.noun, self.read = _READERS[self.config.modality]
        self.probabilities = tasks.task_of(self.config).probabilities
        self.model = session.load_model(run_dir)
        self.preprocessor = keras_medformers.preprocessor(self.config.model, self.config.input_size)
        self.crop_fraction = _crop_fraction(self.preprocessor)

    def explain(self, images):
        """Probabilities `(batch, labels)`, shown classes `(batch,)` and heat maps of a list of raw images.

        Each heat map is of its image's size.
        """
        from keras_medformers.explain import grad_cam, place_on_picture

        inputs = np.concatenate([np.asarray(self.preprocessor(image[np.newaxis])) for image in images])
        try:
            maps, logits = grad_cam(
                self.model, inputs, self.layer_name, self.class_index, batch_size=len(inputs),
                return_logits=True,
            )
        except ValueError as error:
            raise UserError(str(error)) from error
        shown = logits.argmax(-1) if self.class_index is None else np.full(len(images), self.class_index)
        heat = [
            place_on_picture(map_, *image.shape[:2], self.crop_fraction)
            for map_, image in zip(maps, images, strict=True)
        ]
        return self.probabilities(logits), shown, heat


def explain_files(files, explainer, output, batch_size):
    """Explains the files and writes all results below `output`.

    Args:
        files: Paths.
        explainer: An `Explainer`.
        output: Folder, made if absent.
        batch_size: Files held and run at a time.

    Returns:
        The rows of `explain.csv`, and `(file, reason)` of the files set aside.

    Raises:
        UserError: If the folder cannot be made, or the layer does not fit.
    """
    if batch_size < 1:
        raise UserError(f"expected --batch-size of at least 1, received {batch_size}")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make folder {output}: {error.strerror}") from error
    rows, rejects, tiles, waiting, names = [], [], [], [], set()

    def explain_waiting():
        if waiting:
            for row, picture, shown in _explained(waiting, explainer):
                row["overlay"] = _unused(f"{row['file'].stem}_{row['label']}", names) + ".png"
                _write_png(output / row["overlay"], shown)
                rows.append(row)
                if len(tiles) < SHEET_PICTURES:
                    tiles.append((_caption(row), _tile(picture), _tile(shown)))
            waiting.clear()

    for path in tqdm(files, unit="file", desc="explain"):
        try:
            waiting.append((path, explainer.read(path)))
        except UnreadableImage as refused:
            rejects.append((path, refused.reason))
        if len(waiting) == batch_size:
            explain_waiting()
    explain_waiting()

    pd.DataFrame(rejects, columns=["file", "reason"]).to_csv(output / "rejects.csv", index=False)
    if rows:
        pd.DataFrame(rows).to_csv(output / "explain.csv", index=False)
        (output / "contact_sheet.png").write_bytes(to_png(_contact_sheet(tiles)))
        if len(rows) > len(tiles):
            logger.info("contact_sheet.png shows the first %d of %d", len(tiles), len(rows))
    return rows, rejects


def _explained(batch, explainer):
    """Per file: its row of the table, the picture and the picture with colour."""
    from keras_medformers.explain import overlay

    label_names = explainer.config.label_names
    probabilities, shown, heat = explainer.explain([image for _, image in batch])
    for (path, image), chances, class_index, warmth in zip(batch, probabilities, shown, heat, strict=True):
        picture = _picture(image)
        row = {
            "file": path,
            "predicted": label_names[chances.argmax()],
            "label": label_names[class_index],
            "probability": chances[class_index],
        }
        yield row, picture, overlay(picture, warmth)


def _read_hu(path):
    return read_slice(path).hu[..., np.newaxis]


_READERS = {CT: ("CT slice", _read_hu), PHOTOGRAPH: ("picture", read_photograph)}
"""By modality: what an image is called, and how it is read to what the preprocessor takes."""


def _picture(image):
    """What a reader gave, as uint8 RGB; CT in the brain window."""
    if image.shape[2] == 3:
        return image
    level, width = BRAIN_WINDOW_HU
    grey = 255 * np.clip((image.astype("float32") - level) / width + 0.5, 0, 1)
    return np.repeat(np.rint(grey).astype(np.uint8), 3, axis=2)


def _crop_fraction(preprocessor):
    """Side of the centre crop that the network sees, as a share of the shorter side; None if it sees all."""
    from keras_medformers.layers import ResizeAndCrop

    crops = [layer for layer in preprocessor.layers if isinstance(layer, ResizeAndCrop)]
    return crops[0].crop_to / crops[0].resize_to if crops else None


def _unused(name, names):
    """A file name like `name` that is not yet among `names` (capitals aside), which it joins."""
    name = re.sub(r"[^\w.-]+", "_", name)
    candidate, number = name, 1
    while candidate.casefold() in names:
        number += 1
        candidate = f"{name}-{number}"
    names.add(candidate.casefold())
    return candidate


def _write_png(path, picture):
    path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


def _tile(picture):
    scale = TILE_PX / max(picture.shape[:2])
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _caption(row):
    name = row["file"].name if len(row["file"].name) <= 36 else f"{row['file'].name[:35]}…"
    caption = f"{name}\n{row['label']} {row['probability']:.1%}"
    return caption if row["label"] == row["predicted"] else f"{caption} (predicted: {row['predicted']})"


def _contact_sheet(tiles):
    """Pictures beside their overlays, `SHEET_COLUMNS` pairs a row, as in HiFuse's Fig. 4."""
    from matplotlib.figure import Figure

    rows = -(-len(tiles) // SHEET_COLUMNS)
    columns = min(SHEET_COLUMNS, len(tiles))
    figure = Figure(figsize=(4.4 * columns, 2.6 * rows), layout="none")
    pairs = figure.add_gridspec(
        rows, columns, left=0.01, right=0.99, bottom=0.1 / rows / 2.6, top=1 - 0.45 / rows / 2.6, hspace=0.22,
        wspace=0.04,
    )
    for (caption, *pictures), cell in zip(tiles, pairs, strict=False):
        halves = cell.subgridspec(1, 2, wspace=0.02).subplots()
        for axes, picture in zip(halves, pictures, strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.set_anchor("SW")
            axes.set_axis_off()
        halves[0].set_title(caption, fontsize=9, color=INK, loc="left", parse_math=False)
    return figure


if __name__ == "__main__":
    raise SystemExit(command_line.run(main))
