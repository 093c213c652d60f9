"""Which certificates a client trusts."""

import ssl
from pathlib import Path


def check_authorities(file: Path) -> None:
    """Raises `ValueError` unless the file holds certificates of authorities, as PEM."""
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one, too
        raise ValueError(
            "`tls` must be True or False, or a file of trusted authorities' certificates (PEM). "
            f"Received: {file}, which cannot be read: {error.strerror or error}"
        ) from error
