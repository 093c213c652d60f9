"""Fixtures for all tests; its place puts this folder on the import path, for the helper modules beside it."""

import gc

import keras
import pytest
from real_dicom import lay_out_as_rsna


@pytest.fixture(scope="session")
def real_rsna_dir(tmp_path_factory):
    """Real head CT samples, and files that are none, in RSNA's layout."""
    return lay_out_as_rsna(tmp_path_factory.mktemp("real_rsna"))


@pytest.fixture(scope="session")
def tiny_exports(tmp_path_factory):
    """Folders of versions of tiny networks by what they take: `ct` and `pictures`."""
    import tiny_exports

    folder = tmp_path_factory.mktemp("exports")
    return {
        "ct": tiny_exports.export_ct(folder / "tiny_ct"),
        "pictures": tiny_exports.export_pictures(folder / "tiny_pictures"),
    }


@pytest.fixture(scope="module", autouse=True)
def memory_back():
    """Frees what a file's tests leave behind in Keras, before the next one's."""
    yield
    keras.backend.clear_session()
    gc.collect()


def pytest_collection_modifyitems(items):
    """The longest file first, then those with slow tests, so that no process is left with one at the end.

    What trains at full size comes last of these: beside the full-size models it would want too much memory.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(
        key=lambda item: (
            item.path.stem != "test_full_size",
            item.path not in slow,
            -len(item.path.parts),
        )
    )
