"""Names of patients, studies, series and images as records may hold them."""

import hashlib
import hmac
import os
import re
import secrets
from functools import cached_property
from pathlib import Path

from keras_medformers.support.errors import UserError

DEFAULT_KEY_FILE = Path("~/.config/keras_medformers/id_key")
PUBLIC_PSEUDONYM = re.compile(r"ID_[0-9a-f]+|(ISIC|HAM)_[0-9]+")
"""Pseudonyms that are public: RSNA's, those of ISIC's images and of the lesions in them."""

KEY_BYTES = 32
DIGEST_HEX_DIGITS = 16


class Pseudonymizer:
    """Replaces identifiers by keyed digests; the same identifier and key give the same digest.

    Args:
        key_file: File with the secret key. Made, readable by its owner alone, when the first identifier needs
            it.
    """

    def __init__(self, key_file: str | Path = DEFAULT_KEY_FILE):
        self._key_file = Path(key_file).expanduser()

    def __call__(self, identifier: str) -> str:
        """Returns public pseudonyms and "" as they are, else the first digits of an HMAC-SHA256."""
        if not identifier or PUBLIC_PSEUDONYM.fullmatch(identifier):
            return identifier
        return hmac.new(self._key, identifier.encode(), hashlib.sha256).hexdigest()[
            :DIGEST_HEX_DIGITS
        ]

    @cached_property
    def _key(self) -> bytes:
        try:
            if not self._key_file.exists():
                self._key_file.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(
                    self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
                )
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_hex(KEY_BYTES) + "\n")
            key = self._key_file.read_bytes().strip()
        except OSError as error:
            raise UserError(
                f"--id-key-file {self._key_file} cannot be read or made: {error.strerror}"
            ) from error
        if not key:
            raise UserError(
                f"--id-key-file {self._key_file} is empty, expected a secret key"
            )
        return key
