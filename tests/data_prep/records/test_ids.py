"""Identifiers: public pseudonyms stay, others become keyed digests."""

import stat

import pytest

from data_prep.records.identifiers import Pseudonymizer
from keras_medformers.support.errors import UserError


def test_public_pseudonyms_stay_and_need_no_key(tmp_path):
    pseudonymize = Pseudonymizer(tmp_path / "key")
    assert pseudonymize("ID_0fcbd3") == "ID_0fcbd3"
    assert (
        pseudonymize("ISIC_0024306") == "ISIC_0024306"
        and pseudonymize("HAM_0000118") == "HAM_0000118"
    )
    assert pseudonymize("") == ""
    assert not (tmp_path / "key").exists()


def test_other_identifiers_become_digests_by_a_private_key(tmp_path):
    path = tmp_path / "folder" / "key"
    digest = Pseudonymizer(path)("Doe^Jane")
    assert len(digest) == 16 and int(digest, 16) >= 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Pseudonymizer(path)("Doe^Jane") == digest
    assert Pseudonymizer(path)("Doe^John") != digest
    assert Pseudonymizer(path)("ID_XYZ") != "ID_XYZ"
    assert Pseudonymizer(path)("ISIC_0024306_Doe") != "ISIC_0024306_Doe"
    assert Pseudonymizer(tmp_path / "other")("Doe^Jane") != digest


def test_unusable_key_file_is_an_error(tmp_path):
    (tmp_path / "key").write_text("\n")
    with pytest.raises(UserError, match="is empty"):
        Pseudonymizer(tmp_path / "key")("Doe")
    with pytest.raises(UserError, match="cannot be read or made"):
        Pseudonymizer(tmp_path)("Doe")
