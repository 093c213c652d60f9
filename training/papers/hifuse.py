"""HiFuse on photographs."""

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

RECIPES = {
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
