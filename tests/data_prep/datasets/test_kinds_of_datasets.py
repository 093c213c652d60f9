"""What data sets say of themselves: which are made up, and which are patches of others."""

from data_prep.datasets import is_phantom, list_datasets, patches_of


def test_phantoms_say_so():
    phantoms = {name for name, dataset in list_datasets().items() if dataset.is_phantom}

    assert phantoms == {name for name in list_datasets() if name.startswith("phantom_")}
    assert all(map(is_phantom, phantoms)) and not is_phantom("of somebody else")


def test_patches_name_the_images_that_they_are_of():
    found = {name: patches_of(name) for name in list_datasets() if patches_of(name)}

    assert found == {
        "mammography_patches": "mammography",
        "phantom_mammography_patches": "phantom_mammography",
    }
    for patches, images in found.items():
        assert is_phantom(patches) == is_phantom(images)
        assert list_datasets()[patches].data_folder == images
    assert patches_of("of somebody else") == ""
