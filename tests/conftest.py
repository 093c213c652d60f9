"""Fixtures for all tests; its place puts this folder on the import path, for the helper modules beside it."""

import pytest
from real_dicom import lay_out_as_rsna


@pytest.fixture(scope="session")
def real_rsna_dir(tmp_path_factory):
    """Real head CT samples, and files that are none, in RSNA's layout."""
    return lay_out_as_rsna(tmp_path_factory.mktemp("real_rsna"))
