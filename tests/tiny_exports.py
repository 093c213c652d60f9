"""Small networks exported as the big ones are, for tests of what asks them."""

import keras

import keras_medformers
from keras_medformers.serving import export_saved_model

CT_LABELS = ("any", "epidural", "subdural")
PICTURE_LABELS = ("MEL", "NV", "BCC")
MAMMOGRAM_LABELS = ("non_malignant", "malignant")
TASK_LABELS = {
    "hemorrhage": ("normal", "ich"),
    "location": ("deep", "lobar", "subtentorial"),
}
SIZE_PX = 32


def export_ct(directory, treatment=None, name="efficient_scopeformer"):
    """Exports a network of three labels on slices; returns the version's folder."""
    keras.utils.set_random_seed(0)
    image, features = _features()
    model = keras.Model(
        image, keras.layers.Dense(len(CT_LABELS), name="head")(features)
    )
    card = _card(name, "ct", "multilabel", treatment)
    preprocessor = keras_medformers.preprocessor(name, SIZE_PX)
    return export_saved_model(
        model, preprocessor, CT_LABELS, directory, model_card=card, modality="ct"
    )


def export_two_tasks(directory, treatment="mask"):
    """Exports a network that tells hemorrhage and location; returns the version's folder."""
    keras.utils.set_random_seed(1)
    image, features = _features()
    heads = {
        task: keras.layers.Dense(len(labels), name=f"{task}_head")(features)
        for task, labels in TASK_LABELS.items()
    }
    card = _card("dtvit_small", "ct", "dual_task", treatment)
    return export_saved_model(
        keras.Model(image, heads),
        keras_medformers.preprocessor("dtvit_small", SIZE_PX),
        TASK_LABELS,
        directory,
        activation="softmax",
        model_card=card,
        modality="ct",
    )


def export_pictures(directory):
    """Exports a network of three exclusive labels on photographs; returns the version's folder."""
    keras.utils.set_random_seed(2)
    image, features = _features()
    model = keras.Model(
        image, keras.layers.Dense(len(PICTURE_LABELS), name="head")(features)
    )
    card = _card("hifuse_narrow", "photograph", "single_label", None)
    return export_saved_model(
        model,
        keras_medformers.preprocessor("hifuse_narrow", SIZE_PX),
        PICTURE_LABELS,
        directory,
        activation="softmax",
        modality="photograph",
        encoded=True,
        model_card=card,
    )


def export_mammograms(directory, preparation=None):
    """Exports a network for mammograms of any size; returns the version's folder."""
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 7, strides=8, activation="relu", name="feature_map")(
        image
    )
    features = keras.layers.LayerNormalization()(
        keras.layers.GlobalAveragePooling2D()(x)
    )
    model = keras.Model(
        image, keras.layers.Dense(len(MAMMOGRAM_LABELS), name="head")(features)
    )
    card = _card("hct", "mammogram", "single_label") | {
        "preparation": preparation or {}
    }
    return export_saved_model(
        model,
        keras_medformers.preprocessor("hct"),
        MAMMOGRAM_LABELS,
        directory,
        activation="softmax",
        modality="mammogram",
        model_card=card,
    )


def _card(model, modality, task, treatment=None):
    return {
        "model": model,
        "modality": modality,
        "task": task,
        "treatment": treatment,
        "dataset": "tiny",
    }


def _features():
    image = keras.Input((SIZE_PX, SIZE_PX, 3))
    x = keras.layers.Conv2D(
        8, 5, strides=4, activation="relu", padding="same", name="feature_map"
    )(image)
    # Normalised, so that probabilities are neither 0 nor 1 and small differences of images show.
    return image, keras.layers.LayerNormalization()(
        keras.layers.GlobalAveragePooling2D()(x)
    )


def export_vision_transformer(directory):
    """Exports a DTViT, whose heat maps are of its attention; returns the version's folder."""
    keras.utils.set_random_seed(3)
    model = keras_medformers.create_model(
        "dtvit_small", input_shape=(SIZE_PX, SIZE_PX, 3), num_layers=2
    )
    return export_saved_model(
        model,
        keras_medformers.preprocessor("dtvit_small", SIZE_PX),
        TASK_LABELS,
        directory,
        "class_features",
        activation="softmax",
        modality="ct",
    )
