"""Exports of every kind of model, for the tests of this folder."""

import pytest
import tiny_exports as tiny


@pytest.fixture(scope="session")
def exports_of_every_kind(tiny_exports, tmp_path_factory):
    """Folders of versions by what they are for; `two_tasks` is a vision transformer."""
    folder = tmp_path_factory.mktemp("exports_of_every_kind")
    return tiny_exports | {
        "two_tasks": tiny.export_vision_transformer(folder / "tiny_dtvit"),
        "mammograms": tiny.export_mammograms(folder / "tiny_mammograms"),
    }
