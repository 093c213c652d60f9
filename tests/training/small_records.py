"""Small records of slices, pictures and mammograms, small networks on them, and what runs left behind."""

import json

import cv2
import numpy as np

from data_prep.datasets import isic2018
from data_prep.labels import MAMMOGRAM_LABELS, SKIN_LESION_LABELS
from data_prep.phantoms import mammography as phantom_mammography
from data_prep.phantoms.mammography import PhantomMammographyConfig
from data_prep.records.build import build
from data_prep.records.build_config import BuildConfig
from training.papers.scopeformer import RSNA_LABEL_WEIGHTS
from training.runs.config import Config
from training.runs.resolve import only_what_applies

SIZE_PX = 64
SMALL_BACKBONE = "mobilenet"
SMALL_MODEL = {
    "backbones": [SMALL_BACKBONE],
    "feature_size": 12,
    "num_layers": 1,
    "mlp_dim": 16,
    "num_heads": 2,
}

MAMMOGRAM_PATIENTS = 8
MAMMOGRAM_PX = 208

PICTURES_PER_LABEL = 8
SMALL_HIFUSE = {
    "depths": [1, 1],
    "embed_dims": [8, 16],
    "num_heads": [1, 2],
    "window_size": 4,
}


def make_records(dataset, data_dir, shards):
    """Records of half of the patients to train on and a quarter each to validate and test on."""
    config = BuildConfig(
        dataset,
        shards=shards,
        fractions=(0.5, 0.25, 0.25),
        settings={"image_size": SIZE_PX},
    )
    return build(
        config,
        data_dir,
        data_dir / "records",
        workers=1,
        id_key_file=data_dir / "key",
        max_reject_share=0.0,
    )


def small_config(info, **values):
    """A run of the small network on these records."""
    settings = dict(
        model="efficient_scopeformer",
        dataset=info.dataset,
        records=str(info.records_dir),
        model_config=SMALL_MODEL,
        backbone_weights="none",
        input_size=SIZE_PX,
        batch_size=4,
        learning_rate=1e-2,
        warmup_epochs=0.5,
        label_weights=RSNA_LABEL_WEIGHTS,
        seed=3,
        label_names=tuple(info.label_names),
        task="multilabel",
        modality="ct",
    )
    return only_what_applies(Config(**settings | values))


def write_pictures(data_dir, per_label=PICTURES_PER_LABEL):
    """Noisy pictures of many sizes, JPEG and PNG, as ISIC lays them out; a label is seen by its colour.

    Two pictures each are of one lesion.
    """
    random = np.random.default_rng(0)
    (data_dir / isic2018.IMAGES_NAME).mkdir(parents=True)
    labels, lesions = (
        [",".join(isic2018.LABEL_COLUMNS)],
        [",".join(isic2018.LESION_COLUMNS)],
    )
    for number in range(per_label * len(SKIN_LESION_LABELS)):
        label = number % len(SKIN_LESION_LABELS)
        height, width = random.integers(60, 120, 2)
        colour = 40 + 170 * np.array([label + 1 >> bit & 1 for bit in range(3)])
        picture = (
            random.normal(colour, 20, (height, width, 3)).clip(0, 255).astype(np.uint8)
        )
        name, suffix = f"ISIC_{number:07d}", ("jpg", "png")[number % 3 == 0]
        cv2.imwrite(str(data_dir / isic2018.IMAGES_NAME / f"{name}.{suffix}"), picture)
        one_hot = ",".join(
            "1.0" if place == label else "0.0"
            for place in range(len(SKIN_LESION_LABELS))
        )
        labels.append(f"{name},{one_hot}")
        lesions.append(f"{name},HAM_{number // len(SKIN_LESION_LABELS) // 2}{label}")
    (data_dir / isic2018.LABELS_NAME).write_text("\n".join(labels))
    (data_dir / isic2018.LESIONS_NAME).write_text("\n".join(lesions))


def make_picture_records(data_dir, shards):
    """Records of half of the lesions to train on and a quarter each to validate and test on."""
    config = BuildConfig("isic2018", shards=shards, fractions=(0.5, 0.25, 0.25))
    return build(
        config,
        data_dir,
        data_dir / "records",
        workers=1,
        id_key_file=data_dir / "key",
        max_reject_share=0.0,
    )


def small_picture_config(info, **values):
    """A run of a small HiFuse on records of pictures."""
    settings = dict(
        model="hifuse_narrow",
        dataset=info.dataset,
        records=str(info.records_dir),
        model_config=SMALL_HIFUSE,
        input_size=SIZE_PX,
        batch_size=4,
        learning_rate=1e-3,
        warmup_epochs=0.5,
        augmentation="crop",
        seed=3,
        label_names=tuple(info.label_names),
        task="single_label",
        modality="photograph",
    )
    return only_what_applies(Config(**settings | values))


def make_mammogram_records(data_dir):
    """Records of phantom mammograms and of their patches: of half of the patients to train on, a quarter each
    to validate and test on.
    """
    settings = PhantomMammographyConfig(
        patients=MAMMOGRAM_PATIENTS, image_height_px=MAMMOGRAM_PX, malignant=0.5, seed=1
    )
    phantom_mammography.make(data_dir, settings, workers=1)
    made = {}
    for dataset, name in (
        ("phantom_mammography", "records"),
        ("phantom_mammography_patches", "records_patches"),
    ):
        config = BuildConfig(
            dataset,
            shards=2,
            fractions=(0.5, 0.25, 0.25),
            settings={"image_size": MAMMOGRAM_PX},
        )
        made[dataset] = build(
            config,
            data_dir,
            data_dir / name,
            workers=1,
            id_key_file=data_dir / "key",
            max_reject_share=0.0,
        )
    return made


def small_mammogram_config(info, **values):
    """A run of the convolutional network on records of mammograms or patches of them."""
    settings = dict(
        model="gmic",
        dataset=info.dataset,
        records=str(info.records_dir),
        input_size=info.image_shape[0],
        batch_size=4,
        learning_rate=1e-3,
        warmup_epochs=0.0,
        optimizer="adam",
        weight_decay=0.0,
        augmentation="flips_noise",
        seed=3,
        label_names=MAMMOGRAM_LABELS,
        task="single_label",
        modality="mammogram",
    )
    return only_what_applies(Config(**settings | values))


def rows_of(run_dir):
    """The epochs' rows, without what depends on the clock."""
    rows = [
        json.loads(line)
        for line in (run_dir / "metrics.jsonl").read_text().splitlines()
    ]
    return [
        {
            key: value
            for key, value in row.items()
            if key not in ("seconds", "images_per_second")
        }
        for row in rows
    ]
