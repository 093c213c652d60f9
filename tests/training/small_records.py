"""Small records and a small network on them, for the tests of training."""

from data_prep.build import BuildConfig, build
from keras_medformers.models.backbones import BackboneSpec
from training.config import Config

SIZE_PX = 64
SMALL_BACKBONE = "mobilenet"
SMALL_BACKBONE_SPEC = BackboneSpec("MobileNet", "mobilenet_1_0_224_tf_no_top.h5", "never read here")
SMALL_MODEL = {
    "backbones": [SMALL_BACKBONE],
    "feature_size": 12,
    "num_layers": 1,
    "mlp_dim": 16,
    "num_heads": 2,
}


def make_records(dataset, data_dir, shards):
    """Records of half of the patients to train on and a quarter each to validate and test on."""
    config = BuildConfig(dataset, image_size=SIZE_PX, shards=shards, fractions=(0.5, 0.25, 0.25))
    return build(
        config, data_dir, data_dir / "records", workers=1, id_key_file=data_dir / "key", max_reject_share=0.0
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
        seed=3,
        label_names=tuple(info.label_names),
    )
    return Config(**settings | values)
