"""Published experiments and demonstrations as configurations."""

import difflib

from data_prep.errors import UserError
from training.config import Config

RSNA_LABEL_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of the hemorrhage challenge's metric: "any hemorrhage" counts twice."""

# Efficient Scopeformer, sections III.F and III.G: 70% of each backbone's layers frozen. The paper names
# neither optimizer, schedule, epochs nor hardware; AdamW with a cosine is ours. Made for one GPU.
SCOPEFORMER = dict(
    dataset="rsna_ich",
    frozen_fraction=0.7,
    label_weights=RSNA_LABEL_WEIGHTS,
    augmentation="soft",
    epochs=10,
    batch_size=32,
    learning_rate=1e-4,
)

# Section III.A: frozen backbones, whose features are stored once. Optimizer and schedule are ours, too.
SCOPEFORMER_FROZEN = dict(
    dataset="rsna_ich",
    frozen_fraction=1.0,
    label_weights=RSNA_LABEL_WEIGHTS,
    epochs=30,
    batch_size=64,
    learning_rate=3e-4,
)

# On phantoms, with untrained, frozen backbones: shows that everything learns, says nothing about patients.
SCOPEFORMER_PHANTOMS = dict(
    dataset="phantom_head_ct",
    backbone_weights="none",
    frozen_fraction=1.0,
    label_weights=RSNA_LABEL_WEIGHTS,
    epochs=3,
    batch_size=8,
    learning_rate=3e-4,
    warmup_epochs=0.5,
    precision="mixed_bfloat16",
)

N_CNN = ("scopeformer_1cnn", "scopeformer_2cnn", "scopeformer_3cnn")

# HiFuse, Table 2. The paper names no augmentation; random crops and flips are its published code's.
HIFUSE = dict(
    model="hifuse_tiny",
    backbone_weights="none",
    input_size=224,
    batch_size=32,
    epochs=100,
    learning_rate=1e-4,
    final_learning_rate=1e-6,
    warmup_epochs=1.0,
    weight_decay=0.01,
    augmentation="crop",
)

# DTViT, section 3.1. Warm-up and schedule are not named; the learning rate is an initial one.
DTVIT = dict(
    model="dtvit_large",
    dataset="ich_location",
    backbone_weights="none",
    input_size=224,
    batch_size=32,
    epochs=10,
    learning_rate=2e-5,
    final_learning_rate=0.0,
    warmup_epochs=0.0,
    weight_decay=0.01,
    augmentation="dtvit",
)

# Of the first version, section 3.2.
DTVIT_FIRST = DTVIT | dict(
    model_config={"classifier_dim": None},
    epochs=50,
    optimizer="sgd",
    learning_rate=0.01,
    final_learning_rate=0.01,
    weight_decay=0.0,
)

# HCT, section 3: patches first, then whole images that start from their weights; both with a cosine. Adam, or
# Adam with ASAM (rho 0.05; eta is ASAM's authors'). What augmentation does in detail is ours.
MAMMOGRAM_PATCHES = dict(
    dataset="mammography_patches",
    backbone_weights="none",
    batch_size=160,
    epochs=80,
    learning_rate=6e-4,
    final_learning_rate=0.0,
    warmup_epochs=0.0,
    optimizer="adam",
    weight_decay=0.0,
    augmentation="flips_noise",
)

# A batch goes through the network in parts of 8 images, some 7 GB; the paper's graphics card of 48 GB takes
# all at once, with accumulation_steps=1. The shuffle buffer holds records of some 5 MB each.
MAMMOGRAMS = MAMMOGRAM_PATCHES | dict(
    dataset="mammography",
    batch_size=32,
    accumulation_steps=4,
    learning_rate=2e-5,
    shuffle_buffer=256,
)

ASAM = dict(sharpness="asam", rho=0.05)

# At an eighth of full resolution, so that it takes minutes.
PHANTOM_PATCHES = MAMMOGRAM_PATCHES | dict(
    dataset="phantom_mammography_patches", batch_size=32, epochs=20, learning_rate=1e-3
)
PHANTOM_MAMMOGRAMS = MAMMOGRAMS | dict(
    dataset="phantom_mammography", batch_size=16, accumulation_steps=1, epochs=25, learning_rate=1e-3
)

# Every recipe states its source, the score to expect, the hardware and the time, and its command. Those of
# several models have a row each, and serve other sizes of the architecture as well.
RECIPES = {
    # Efficient Scopeformer, Table 5, on RSNA's validation slices: accuracy 96.03%, loss 0.1088
    # (deep_scopeformer); 95.40%, 0.1176 (deep_scopeformer_tr); 95.77%, 0.1160 (efficient_scopeformer).
    # Wants a GPU. Not reproduced yet.
    #   make train MODEL=scopeformer DATASET=rsna_ich DATA_DIR=...
    # Without DenseNet201, as Table 1 has the last two:
    #   ARGS="--set 'model_config.backbones=[\"resnet152v2\",\"efficientnetb5\",\"xception\"]'"
    **{name: dict(SCOPEFORMER, model=name)
       for name in ("efficient_scopeformer", "deep_scopeformer", "deep_scopeformer_tr")},
    # Efficient Scopeformer, Table 3 (labels in Table 4): accuracy 93.00 / 93.92 / 93.88 / 93.12 / 94.69 /
    # 92.57%, loss 0.1703 / 0.1461 / 0.2285 / 0.1378 / 0.1197 / 0.1395, recall 84.95 / 89.29 / 88.44 / 87.81
    # / 89.33 / 87.34%, in this order. Wants a GPU. Not reproduced yet.
    #   make train MODEL=scopeformer_small DATASET=rsna_ich DATA_DIR=...
    **{f"scopeformer_{size}": dict(SCOPEFORMER, model=f"scopeformer_{size}")
       for size in ("small", "base", "medium", "large_4", "large_8", "large_16")},
    # Efficient Scopeformer (P), Table 5: accuracy 96.94%, loss 0.0833. The backbones, pre-trained on RSNA
    # by the recipe scopeformer_backbone, stay frozen, so their features are stored once. Not reproduced yet.
    #   for B in resnet152v2 efficientnetb5 densenet201 xception; do
    #     make train MODEL=scopeformer_backbone BACKBONE=$B DATASET=rsna_ich DATA_DIR=...; done
    #   W=runs/scopeformer_backbone
    #   make train MODEL=scopeformer DATASET=rsna_ich DATA_DIR=... RUN=runs/p \
    #     ARGS="--recipe efficient_scopeformer_p --backbone-weights \
    #     ${W}_resnet152v2_rsna_ich/backbones/resnet152v2.weights.h5 \
    #     ${W}_efficientnetb5_rsna_ich/backbones/efficientnetb5.weights.h5 \
    #     ${W}_densenet201_rsna_ich/backbones/densenet201.weights.h5 \
    #     ${W}_xception_rsna_ich/backbones/xception.weights.h5"
    "efficient_scopeformer_p": dict(SCOPEFORMER_FROZEN, model="efficient_scopeformer"),
    # Efficient Scopeformer, Table 2: accuracy 96.95%, loss 0.08272 (1-CNN, S); 97.22%, 0.07984 (2-CNN,
    # I-I); 97.26%, 0.07934 (S-S); 97.46%, 0.07754 (I-S); 98.04%, 0.07050 (3-CNN, I-I-S). I is ImageNet, S
    # ImageNet restyled, each trained on RSNA after that by scopeformer_backbone, one of them (the paper
    # does not say which) with hard augmentation. 755 M parameters print as trained in the last, 680 M are:
    # one GPU of 40 GB. Not reproduced yet.
    #   make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=... RUN=runs/i
    #   make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=... RUN=runs/s \
    #     ARGS="--backbone-weights runs/imagenet_backbone_xception_image_folder/backbones/xception.weights.h5"
    #   make train MODEL=scopeformer_2cnn DATASET=rsna_ich DATA_DIR=... ARGS="--backbone-weights \
    #     runs/i/backbones/xception.weights.h5 runs/s/backbones/xception.weights.h5"
    **{name: dict(SCOPEFORMER_FROZEN, model=name, input_size=224, learning_rate=1e-4) for name in N_CNN},
    # Efficient Scopeformer, Table 2, first row: accuracy 94.33%, loss 0.1822, a ViT on the slices
    # themselves. Wants a GPU. Not reproduced yet.
    #   make train MODEL=scopeformer_vit DATASET=rsna_ich DATA_DIR=...
    "scopeformer_vit": dict(
        model="scopeformer_vit",
        dataset="rsna_ich",
        backbone_weights="none",
        label_weights=RSNA_LABEL_WEIGHTS,
        augmentation="soft",
        epochs=30,
        batch_size=64,
        learning_rate=1e-4,
    ),
    # Efficient Scopeformer, sections III.A and III.F: a backbone as a classifier of RSNA's slices, 150
    # epochs on top of ImageNet, for Efficient Scopeformer (P) and Table 2; no score is printed. Its run
    # folder has backbones/NAME.weights.h5, which --backbone-weights takes. Days on one GPU.
    #   make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=...
    "scopeformer_backbone": dict(
        SCOPEFORMER, model="scopeformer_backbone", frozen_fraction=0.0, epochs=150
    ),
    # The same with hard augmentation, for one of the backbones of Table 2.
    #   make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=... \
    #     RUN=runs/hard ARGS="--recipe scopeformer_backbone_hard"
    "scopeformer_backbone_hard": dict(
        SCOPEFORMER, model="scopeformer_backbone", frozen_fraction=0.0, epochs=150, augmentation="hard"
    ),
    # Efficient Scopeformer, section III.A: the pre-training (S) of Table 2, classification of ImageNet's
    # pictures redrawn in the style of a slice (Fig. 2), on top of ImageNet. No score, optimizer or length
    # is printed. Days on one GPU.
    #   make restyle DATA_DIR=imagenet/train STYLE=slice.dcm OUTPUT=restyled
    #   make train MODEL=imagenet_backbone BACKBONE=xception DATASET=image_folder DATA_DIR=restyled
    "imagenet_backbone": dict(
        model="imagenet_backbone",
        dataset="image_folder",
        frozen_fraction=0.0,
        input_size=224,
        augmentation="crop",
        epochs=20,
        batch_size=64,
        learning_rate=1e-4,
    ),
    # The demonstration: full size on phantoms. Validation log loss 26% below the constant-prevalence score
    # (0.352 against 0.478), test log loss 16% below (0.405 against 0.483); within 15 minutes on 2 CPU
    # cores. The other sizes find its features stored, but have 7 to 160 times the parameters to train.
    #   make train MODEL=scopeformer
    #   make train MODEL=scopeformer_small
    "scopeformer_phantoms": dict(SCOPEFORMER_PHANTOMS, model="efficient_scopeformer"),
    # The same at 224 pixels, where the map is 7 x 7; 126, 352 and 680 M parameters train, for one epoch.
    #   make train MODEL=scopeformer_1cnn
    **{f"{name}_phantoms": dict(
        SCOPEFORMER_PHANTOMS, model=name, input_size=224, epochs=1, warmup_epochs=0.25, learning_rate=1e-4)
       for name in N_CNN},
    # The same for a ViT on the slices, from scratch.
    #   make train MODEL=scopeformer_vit
    "scopeformer_vit_phantoms": dict(
        SCOPEFORMER_PHANTOMS, model="scopeformer_vit", learning_rate=1e-4
    ),
    # The pre-training of a backbone, too, as short as the demonstration: on slices, then on drawn lesions.
    #   make train MODEL=scopeformer_backbone BACKBONE=xception
    "scopeformer_backbone_phantoms": dict(
        SCOPEFORMER_PHANTOMS, model="scopeformer_backbone", frozen_fraction=0.0, epochs=2
    ),
    #   make train MODEL=imagenet_backbone BACKBONE=xception
    "imagenet_backbone_phantoms": dict(
        model="imagenet_backbone",
        dataset="phantom_skin",
        backbone_weights="none",
        frozen_fraction=0.0,
        input_size=128,
        augmentation="crop",
        crop_min_area=0.5,
        epochs=2,
        batch_size=16,
        learning_rate=3e-4,
        precision="mixed_bfloat16",
    ),
    # HiFuse, Table 4: accuracy 82.99 / 83.59 / 84.12%, macro F1 72.99 / 72.70 / 75.32% for tiny, small and
    # base on ISIC2018 task 3, from scratch, on one RTX 3090 (24 GB). The paper splits by image; here images
    # of one lesion stay together, unless records are made with ARGS="--split paper". Not reproduced yet.
    #   make train MODEL=hifuse_tiny DATASET=isic2018 DATA_DIR=...
    "hifuse_isic2018": dict(HIFUSE, dataset="isic2018"),
    # HiFuse, Table 5: accuracy 74.73 / 76.88 / 76.34%, macro F1 74.67 / 76.31 / 76.17% on COVID19-CT, from
    # scratch, same hardware. Not reproduced in full: tiny, shortened to an hour on 2 CPU cores (40 epochs
    # of 128 pixels, batch 8, depthwise IRMLP, bfloat16), has accuracy 67.0% (60.1 to 73.4).
    #   make train MODEL=hifuse_tiny DATASET=covid19_ct DATA_DIR=...
    "hifuse_covid19_ct": dict(HIFUSE, dataset="covid19_ct"),
    # HiFuse, Table 6: accuracy 84.85 / 85.00 / 84.35%, macro F1 84.89 / 84.96 / 84.41% on Kvasir, the mean
    # of two runs that change halves; from scratch, same hardware. Not reproduced yet.
    #   make train MODEL=hifuse_tiny DATASET=kvasir DATA_DIR=... RUN=runs/fold_0
    #   make tfrecords DATASET=kvasir DATA_DIR=... RECORDS=records/kvasir_1 ARGS="--fold 1"
    #   make train MODEL=hifuse_tiny DATASET=kvasir RECORDS=records/kvasir_1 RUN=runs/fold_1
    #   python -m training.average runs/fold_0 runs/fold_1
    "hifuse_kvasir": dict(HIFUSE, dataset="kvasir"),
    # The demonstration at full width, on drawn lesions, 15 to 20 minutes on 2 CPU cores. So few epochs only
    # show that it trains (a schedule of eight had macro F1 0.70 on validation after five); the narrow one
    # below learns faster.
    #   make train MODEL=hifuse_tiny
    "hifuse_phantoms": dict(
        HIFUSE,
        dataset="phantom_skin",
        model_config={"window_size": 4, "irmlp": "depthwise"},
        input_size=128,
        epochs=6,
        batch_size=16,
        learning_rate=3e-4,
        crop_min_area=0.5,
    ),
    # DTViT, Table 3: accuracy 1 and 0.996 (hemorrhage, location), F1 1 and 0.997, on slices of Yulin's data,
    # split by slice (here by patient, unless records are made with ARGS="--split paper"); on one RTX 4090
    # (24 GB). Starts from ViT-Large trained on ImageNet: timm's checkpoint, brought into our form once. Not
    # reproduced: the data are not out yet.
    #   python -m keras_medformers.porting dtvit CHECKPOINT vit_large.weights.h5
    #   make train MODEL=dtvit DATASET=ich_location DATA_DIR=... ARGS="--weights vit_large.weights.h5"
    "dtvit_ich_location": dict(DTVIT),
    # The same without augmentation: accuracy 0.996 and 0.992, F1 0.995 and 0.995. The records are to be
    # without replicated slices.
    #   make tfrecords DATASET=ich_location DATA_DIR=... RECORDS=records/plain ARGS="--balance none"
    #   make train MODEL=dtvit DATASET=ich_location RECORDS=records/plain RUN=runs/dtvit_plain \
    #     ARGS="--recipe dtvit_ich_location_plain --weights vit_large.weights.h5"
    "dtvit_ich_location_plain": dict(DTVIT, augmentation="none", batch_size=8),
    # DTViT's first version, Table 2: accuracy 0.992 and 0.974, F1 0.991 and 0.966, on slices replicated
    # before they were divided (--balance before-split), which is not to be imitated; one RTX A6000 (48 GB).
    #   python -m keras_medformers.porting dtvit CHECKPOINT first.weights.h5 --set classifier_dim=None
    #   make train MODEL=dtvit DATASET=ich_location DATA_DIR=... RUN=runs/dtvit_first \
    #     ARGS="--recipe dtvit_first --weights first.weights.h5"
    "dtvit_first": dict(DTVIT_FIRST),
    # The same without augmentation: accuracy 0.974 and 0.877, F1 0.972 and 0.856.
    "dtvit_first_plain": dict(DTVIT_FIRST, augmentation="none", batch_size=8),
    # The paper's size on the slices of the next recipe, from scratch. Wants a GPU. Not run to its end.
    #   make train MODEL=dtvit
    "dtvit_phantoms": dict(
        DTVIT,
        dataset="phantom_ich_location",
        input_size=112,
        epochs=1,
        batch_size=16,
        learning_rate=1e-4,
        warmup_epochs=0.25,
        precision="mixed_bfloat16",
    ),
    # The demonstration: a small DTViT from scratch, on drawn slices whose hemorrhages all lie in the brain.
    # Test accuracy 93.8% (92.3 to 95.3) for hemorrhage and 95.6% (93.6 to 97.6) for its location; from
    # nothing to an exported model in about 8 minutes on 2 CPU cores. Says nothing about patients.
    #   make train MODEL=dtvit_small
    "dtvit_small_phantoms": dict(
        DTVIT,
        model="dtvit_small",
        dataset="phantom_ich_location",
        input_size=112,
        epochs=30,
        learning_rate=1e-3,
        final_learning_rate=1e-5,
        warmup_epochs=1.0,
        weight_decay=0.05,
        clip_norm=1.0,
        augmentation="soft",
    ),
    # HCT, Table 3: AUC 86.29% (85.02 to 87.54) on images and 96.34% (95.66 to 96.97) on patches for hct,
    # 86.64 and 96.35 for hct_softmax, 84.83 and 96.41 for hct_nystrom, on OPTIMAM's mammograms; patches on
    # one 2080 Ti (11 GB), images on an A6000 (48 GB). Both stages, the first in the run's folder patches. Not
    # reproduced: the data are given out on application.
    #   make train MODEL=hct DATASET=mammography DATA_DIR=...
    # At half resolution, Fig. 5, first in records of another name:
    #   make tfrecords DATASET=mammography DATA_DIR=... RECORDS=records/half ARGS="--image-size 1664"
    #   make train MODEL=hct DATASET=mammography DATA_DIR=... RECORDS=records/half RUN=runs/hct_half
    "hct": dict(MAMMOGRAMS, model="hct", first_stage="hct_patches"),
    # The same with Adam and ASAM: 88.00% (86.80 to 89.18) and 96.73% (96.09 to 97.32) for hct, 87.39 and
    # 96.68 for hct_softmax, 86.73 and 96.65 for hct_nystrom.
    #   make train MODEL=hct DATASET=mammography DATA_DIR=... RUN=runs/hct_asam ARGS="--recipe hct_asam"
    "hct_asam": dict(MAMMOGRAMS, model="hct", first_stage="hct_patches_asam", **ASAM),
    # The baselines of Table 3: 85.04% and 96.13% for gmic, 85.17 and 96.24 for def_gmic.
    #   make train MODEL=def_gmic DATASET=mammography DATA_DIR=...
    "gmic": dict(MAMMOGRAMS, model="gmic", first_stage="gmic_patches"),
    # With ASAM: 86.58% and 96.29%, 87.45 and 96.71.
    "gmic_asam": dict(MAMMOGRAMS, model="gmic", first_stage="gmic_patches_asam", **ASAM),
    # The first stage of each, which may be run alone, for other runs to start from by --first-stage.
    #   make train MODEL=hct DATASET=mammography_patches DATA_DIR=...
    #   make train MODEL=hct DATASET=mammography ARGS="--first-stage runs/hct_mammography_patches"
    **{f"{model}_patches": dict(MAMMOGRAM_PATCHES, model=model) for model in ("hct", "gmic")},
    **{f"{model}_patches_asam": dict(MAMMOGRAM_PATCHES, model=model, **ASAM) for model in ("hct", "gmic")},
    # The demonstration, both stages on drawn mammograms with large findings. hct on the test split: AUC 98.2%
    # (96.4 to 99.6) on patches, 94.7% (90.1 to 98.1) on images; about 10 minutes on 2 CPU cores. Says
    # nothing about patients.
    #   make train MODEL=hct
    **{f"{model}_phantoms": dict(PHANTOM_MAMMOGRAMS, model=model, first_stage=f"{model}_patches_phantoms")
       for model in ("hct", "gmic")},
    **{f"{model}_patches_phantoms": dict(PHANTOM_PATCHES, model=model) for model in ("hct", "gmic")},
    # The demonstration at a quarter of the widths, on drawn lesions. Test accuracy 96% and macro F1 92%
    # (86 to 96%), from scratch, in about 6 minutes on 2 CPU cores. Says nothing about patients.
    #   make train MODEL=hifuse_narrow
    "hifuse_narrow_phantoms": dict(
        HIFUSE,
        model="hifuse_narrow",
        dataset="phantom_skin",
        model_config={"window_size": 4, "irmlp": "depthwise"},
        input_size=128,
        epochs=15,
        learning_rate=1e-3,
        crop_min_area=0.5,
    ),
}


def recipe(name, **values):
    """The recipe's `Config` with `values` (records, data set and so on) put in.

    Raises:
        UserError: If there is no such recipe, or `values` name a model of another architecture.
    """
    written_for = recipe_values(name)["model"]
    fitting = _relatives(written_for)
    if values.get("model", written_for) not in fitting:
        raise UserError(
            f"recipe {name!r} is for {', '.join(fitting)}, received model {values['model']!r}"
        )
    return Config(**{**RECIPES[name], **values})


def recipe_values(name):
    """What the recipe sets.

    Raises:
        UserError: If there is no such recipe.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=3) or sorted(RECIPES)
        raise UserError(f"unknown recipe {name!r}; did you mean {' or '.join(near)}?")
    return RECIPES[name]


def default_recipe(model, dataset=None):
    """Name of the recipe for this model and data set: the first of those that fit best.

    One for the data set goes before one for other data; one for the very model before one for another
    size of it.

    Args:
        model: A registered name, not an alias.
        dataset: Name of a data set; phantoms by default.

    Raises:
        UserError: If the architecture has no recipe.
    """
    relatives = _relatives(model)
    fitting = [name for name, values in RECIPES.items() if values["model"] in relatives]
    if not fitting:
        raise UserError(f"there is no recipe for model {model!r} yet")

    def distance(name):
        found = RECIPES[name]["dataset"]
        fits = found == dataset if dataset else found.startswith("phantom")
        return not fits, RECIPES[name]["model"] != model

    return min(fitting, key=distance)


def _relatives(model):
    import keras_medformers  # seconds to import, and the recipes' names alone are wanted for help

    return keras_medformers.registry.list_relatives(model)
