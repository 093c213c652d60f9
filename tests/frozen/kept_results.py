"""What is kept of a demonstration's run: read from its folders, brought into golden files, and compared."""

import csv
import hashlib
import html.parser
import json
import re
import struct
import zlib

import numpy as np

SPLITS = ("train", "validation", "test")

SCORE_TOLERANCE = 0.02
"""Largest difference of a score that follows probabilities smoothly, relative to 1 or to a larger score."""

RANK_TOLERANCE = 0.2
"""The same of areas under curves, which jump where two images change places."""

RANK_SCORES = ("auroc", "auc", "average_precision")

UNKEPT_INFO = ("shards", "source_fingerprint", "tool_version")
"""Of `dataset_info.json`: what versions of zlib, files' times and releases decide."""

MARKED_IN_CARD = ("created", "version_of_package")
"""Of `model_card.json`: what has to be there, whatever it says."""


def read(run_dir, records_dir):
    """What is kept of a run.

    Returns:
        The content of the golden files by name: parsed JSON, or text.
    """
    kept = {
        "config.json": config_values(read_json(run_dir / "config.json")),
        "evaluation.json": read_json(run_dir / "evaluation.json"),
        "predictions.csv": _rounded_predictions(
            (run_dir / "predictions.csv").read_text(encoding="utf-8")
        ),
        "report.txt": report_text(
            (run_dir / "report.html").read_text(encoding="utf-8")
        ),
        "records.json": records_digest(records_dir),
        "files.txt": _files(run_dir, records_dir),
    }
    for card in run_dir.glob("export/*/1/assets/model_card.json"):
        kept["model_card.json"] = {
            key: "#" if key in MARKED_IN_CARD else value
            for key, value in read_json(card).items()
        }
    return kept


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def config_values(config):
    """The settings of a run by name, without the sections that `config.json` has them in."""
    values = {}
    for section in config.values():
        values |= section
    values["model"] = values.pop("name")
    return values


def read_golden(folder):
    """The golden files of a folder, as `read` gives them."""
    return {
        path.name: read_json(path)
        if path.suffix == ".json"
        else path.read_text(encoding="utf-8")
        for path in sorted(folder.iterdir())
    }


def write(folder, kept):
    """Writes what `read` gave into a folder of golden files, in place of what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in kept.items():
        text = (
            content
            if isinstance(content, str)
            else json.dumps(_rounded(content), indent=1) + "\n"
        )
        (folder / name).write_text(text, encoding="utf-8")


def _rounded(value):
    """JSON with numbers of seven digits, so that golden files do not change in digits that say nothing."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


# Predictions


def _rounded_predictions(text):
    header, *rows = csv.reader(text.splitlines())
    for row in rows:
        for place, name in enumerate(header):
            if name.startswith("probability_"):
                row[place] = f"{float(row[place]):.8f}"
    return "".join(",".join(row) + "\n" for row in (header, *rows))


def split_predictions(text):
    """A table of predictions as rows of what is not a probability, and probabilities, `(images, labels)`."""
    header, *rows = csv.reader(text.splitlines())
    of_labels = [name.startswith("probability_") for name in header]
    others = [
        [cell for cell, known in zip(row, of_labels) if not known] for row in rows
    ]
    probabilities = [
        [float(cell) for cell, known in zip(row, of_labels) if known] for row in rows
    ]
    return [header, *others], np.array(probabilities)


def clearance(kept):
    """By how much the least clear prediction is decided: beyond 0.5, or beyond the second class.

    While probabilities change by less than half of it, every image keeps the class it is given, and so do all
    counts in the evaluation.
    """
    evaluation = kept["evaluation.json"]
    _, probabilities = split_predictions(kept["predictions.csv"])
    if evaluation["task"] == "multilabel":
        return 2 * np.abs(probabilities - 0.5).min()
    answers = np.split(
        probabilities, [2] if evaluation["task"] == "multi_task" else [], axis=1
    )
    ordered = [np.sort(answer, axis=1) for answer in answers]
    return min((answer[:, -1] - answer[:, -2]).min() for answer in ordered)


# The report


class _Text(html.parser.HTMLParser):
    """A page as lines of text: cells divided by bars, pictures marked, hints in brackets."""

    LINES = (
        "title",
        "h1",
        "h2",
        "p",
        "tr",
        "div",
        "figure",
        "footer",
        "table",
        "section",
    )

    def __init__(self):
        super().__init__()
        self.text, self.in_style = "", False

    def handle_starttag(self, tag, attributes):
        self.in_style = tag == "style"
        if tag in self.LINES:
            self.text += "\n"
        if tag == "img":
            self.text += "[picture] "
        if tag in ("br", "span", "b"):
            self.text += " "
        hint = dict(attributes).get("title")
        if hint:
            self.text += f"[{hint}] "

    def handle_endtag(self, tag):
        self.in_style = False
        if tag in ("td", "th"):
            self.text += " | "
        elif tag in (*self.LINES, "b"):
            self.text += "\n"

    def handle_data(self, data):
        if not self.in_style:
            self.text += data


def report_text(page):
    """The text of a report, line by line; above its configuration, computed numbers are marked by #.

    Computed are numbers with two digits or more after the point, and shares with one.
    """
    reader = _Text()
    reader.feed(page)
    lines = [" ".join(line.split()) for line in reader.text.splitlines()]
    above, title, below = "\n".join(line for line in lines if line).partition(
        "\nConfiguration\n"
    )
    return re.sub(r"\d+\.(\d{2,}|\d(?=%))", "#", above) + title + below + "\n"


# Records


def records_digest(records_dir):
    """What is in records: the description, and per split SHA-256 of each feature over all records in order.

    Images are hashed as pixels, since versions of zlib compress differently; JPEG files as they are.
    """
    info = read_json(records_dir / "dataset_info.json")
    return {
        "info": {key: value for key, value in info.items() if key not in UNKEPT_INFO},
        "sha256": {split: _split_digest(records_dir, split) for split in SPLITS},
    }


def _split_digest(records_dir, split):
    import tensorflow as tf

    digests, count = {}, 0
    for path in sorted(records_dir.glob(f"{split}-*.tfrecord")):
        for serialized in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(serialized).features.feature
            count += 1
            for key in sorted(features):
                digest = digests.setdefault(key, hashlib.sha256())
                for value in _bytes_of(key, features):
                    digest.update(len(value).to_bytes(8, "little") + value)
    return {
        "records": count,
        **{key: digest.hexdigest() for key, digest in sorted(digests.items())},
    }


def _bytes_of(key, features):
    feature = features[key]
    if key == "image/encoded":
        (encoded,), (form,) = (
            feature.bytes_list.value,
            features["image/format"].bytes_list.value,
        )
        return [_pixels(encoded, form)]
    whole = [
        value.to_bytes(8, "little", signed=True) for value in feature.int64_list.value
    ]
    return [
        *feature.bytes_list.value,
        *whole,
        *(struct.pack("<f", x) for x in feature.float_list.value),
    ]


def _pixels(encoded, form):
    if form.endswith(b"zlib"):
        return zlib.decompress(encoded)
    if form == b"png":
        import cv2

        return cv2.imdecode(
            np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED
        ).tobytes()
    return encoded


def _files(run_dir, records_dir):
    """The files of a run and of its records, one a line, without what differs from run to run."""
    names = []
    for title, folder in (("run", run_dir), ("records", records_dir)):
        found = [
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file()
        ]
        names += [
            f"{title}/{name}" for name in found if not name.startswith("patches/")
        ]
    names = [
        re.sub(r"events\.out\.tfevents\..*", "events.out.tfevents.*", name)
        for name in names
    ]
    return "".join(
        sorted(re.sub(r"/[0-9a-f]{16}", "/HASH", name) + "\n" for name in names)
    )


# Comparison


def differences(found, golden, place=""):
    """Where JSON differs in structure, words or whole numbers, and in other numbers beyond their tolerance.

    Returns:
        A line for each place.
    """
    if isinstance(golden, float) and isinstance(found, float):
        rank = any(word.startswith(RANK_SCORES) for word in place.split("/"))
        allowed = RANK_TOLERANCE if rank else SCORE_TOLERANCE * max(1.0, abs(golden))
        return (
            []
            if abs(found - golden) <= allowed
            else [f"{place}: {found}, expected {golden}"]
        )
    if type(found) is not type(golden):
        return [f"{place}: {found!r}, expected {golden!r}"]
    if isinstance(golden, dict):
        if list(found) != list(golden):
            return [f"{place}: keys {list(found)}, expected {list(golden)}"]
        return [
            line
            for key in golden
            for line in differences(found[key], golden[key], f"{place}/{key}")
        ]
    if isinstance(golden, list):
        if len(found) != len(golden):
            return [f"{place}: {len(found)} items, expected {len(golden)}"]
        pairs = enumerate(zip(found, golden))
        return [
            line for at, pair in pairs for line in differences(*pair, f"{place}/{at}")
        ]
    return [] if found == golden else [f"{place}: {found!r}, expected {golden!r}"]
