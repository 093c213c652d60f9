"""The plan of a phantom skin set: counts per class, their floor, lesions with several images."""

from collections import Counter

import pytest

from data_prep.labels import SKIN_LESION_LABELS
from data_prep.phantoms.skin import PhantomSkinConfig
from data_prep.phantoms.skin.__main__ import main
from data_prep.phantoms.skin.config import SIZES_PX, count_images, plan_lesions
from keras_medformers.support.errors import UserError


def test_default_counts_are_isic2018s_with_a_floor():
    counts = count_images(PhantomSkinConfig())
    assert tuple(counts) == SKIN_LESION_LABELS
    assert counts == {
        "MEL": 154,
        "NV": 892,
        "BCC": 70,
        "AKIEC": 46,
        "BKL": 154,
        "DF": 42,
        "VASC": 42,
    }


def test_without_floor_the_rare_classes_stay_rare():
    counts = count_images(PhantomSkinConfig(images=10_000, least_share=0.0))
    assert counts["DF"] == 110 and counts["VASC"] == 140 and counts["NV"] == 6720


@pytest.mark.parametrize("images", (14, 15, 70, 333))
def test_every_class_is_there_and_the_counts_add_up(images):
    config = PhantomSkinConfig(images=images)
    counts = count_images(config)
    assert min(counts.values()) >= 1 and sum(counts.values()) == images
    plans = plan_lesions(config)
    planned = Counter(plan.label for plan in plans for _ in plan.files)
    assert planned == counts
    names = [image for plan in plans for image in plan.image_ids]
    assert len(set(names)) == images


def test_part_of_the_lesions_have_two_to_four_images():
    plans = plan_lesions(PhantomSkinConfig(images=2000, several_views=0.25))
    views = Counter(len(plan.files) for plan in plans)
    assert set(views) == {1, 2, 3, 4}
    assert 0.2 < 1.0 - views[1] / len(plans) < 0.3
    alone = plan_lesions(PhantomSkinConfig(images=50, several_views=0.0))
    assert {len(plan.files) for plan in alone} == {1}


def test_sizes_and_formats_vary():
    plans = plan_lesions(PhantomSkinConfig())
    assert {size for plan in plans for size in plan.sizes_px} == set(SIZES_PX)
    png = sum(name.endswith(".png") for plan in plans for name in plan.files)
    assert 0.15 < png / 1400 < 0.25


def test_names_tell_nothing_of_lesion_or_class():
    plans = plan_lesions(PhantomSkinConfig())
    numbers = {plan.label: [] for plan in plans}
    for plan in plans:
        numbers[plan.label] += [
            int(image.removeprefix("ISIC_")) for image in plan.image_ids
        ]
    for label, of_class in numbers.items():
        assert 500 < sum(of_class) / len(of_class) < 900, label


def test_plans_follow_from_the_seed():
    assert plan_lesions(PhantomSkinConfig(seed=3)) == plan_lesions(
        PhantomSkinConfig(seed=3)
    )
    assert plan_lesions(PhantomSkinConfig(seed=3)) != plan_lesions(
        PhantomSkinConfig(seed=4)
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    (
        ({"images": 13}, "images must be at least 14, two per class. Received: 13"),
        ({"least_share": 0.2}, "least_share must be from 0 to 0.1. Received: 0.2"),
        ({"several_views": -1.0}, "several_views must be from 0 to 1. Received: -1.0"),
        ({"seed": -1}, "seed must be 0 or more. Received: -1"),
    ),
)
def test_settings_that_make_no_set_are_errors(setting, message):
    with pytest.raises(UserError, match=message):
        PhantomSkinConfig(**setting)


def test_help_shows_every_default_that_says_something(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "seed of everything random (default: 0)" in shown
    assert "(default: False)" not in shown and "(default: None)" not in shown
