"""Efficient Scopeformer: its family on slices, and the backbones it stands on."""

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

RECIPES = {
    # Efficient Scopeformer, Table 5, on RSNA's validation slices: accuracy 96.03%, loss 0.1088
    # (deep_scopeformer); 95.40%, 0.1176 (deep_scopeformer_tr); 95.77%, 0.1160 (efficient_scopeformer).
    # Wants a GPU. Not reproduced yet.
    #   make train MODEL=scopeformer DATASET=rsna_ich DATA_DIR=...
    # Without DenseNet201, as Table 1 has the last two:
    #   ARGS="--set 'model_config.backbones=[\"resnet152v2\",\"efficientnetb5\",\"xception\"]'"
    **{
        name: dict(SCOPEFORMER, model=name)
        for name in ("efficient_scopeformer", "deep_scopeformer", "deep_scopeformer_tr")
    },
    # Efficient Scopeformer, Table 3 (labels in Table 4): accuracy 93.00 / 93.92 / 93.88 / 93.12 / 94.69 /
    # 92.57%, loss 0.1703 / 0.1461 / 0.2285 / 0.1378 / 0.1197 / 0.1395, recall 84.95 / 89.29 / 88.44 / 87.81
    # / 89.33 / 87.34%, in this order. Wants a GPU. Not reproduced yet.
    #   make train MODEL=scopeformer_small DATASET=rsna_ich DATA_DIR=...
    **{
        f"scopeformer_{size}": dict(SCOPEFORMER, model=f"scopeformer_{size}")
        for size in ("small", "base", "medium", "large_4", "large_8", "large_16")
    },
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
    **{
        name: dict(SCOPEFORMER_FROZEN, model=name, input_size=224, learning_rate=1e-4)
        for name in N_CNN
    },
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
        SCOPEFORMER,
        model="scopeformer_backbone",
        frozen_fraction=0.0,
        epochs=150,
        augmentation="hard",
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
    **{
        f"{name}_phantoms": dict(
            SCOPEFORMER_PHANTOMS,
            model=name,
            input_size=224,
            epochs=1,
            warmup_epochs=0.25,
            learning_rate=1e-4,
        )
        for name in N_CNN
    },
    # The same for a ViT on the slices, from scratch.
    #   make train MODEL=scopeformer_vit
    "scopeformer_vit_phantoms": dict(
        SCOPEFORMER_PHANTOMS, model="scopeformer_vit", learning_rate=1e-4
    ),
    # The pre-training of a backbone, too, as short as the demonstration: on slices, then on drawn lesions.
    #   make train MODEL=scopeformer_backbone BACKBONE=xception
    "scopeformer_backbone_phantoms": dict(
        SCOPEFORMER_PHANTOMS,
        model="scopeformer_backbone",
        frozen_fraction=0.0,
        epochs=2,
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
}
