"""A mistake of the user's, shown as one line, and a file that cannot be used."""

from pathlib import Path


class UserError(ValueError):
    """What the user asked for cannot be done as asked.

    The message names the file or argument, what was expected, what was received and what to do.
    `command_line.run` prints it without a traceback.
    """


class UnreadableImage(Exception):
    """A file is not a usable image.

    Attributes:
        path: The file.
        reason: The rule it breaks, or the kind of damage; free of patient identifiers.
    """

    def __init__(self, path: str | Path, reason: str):
        super().__init__(str(path), reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def check_setting(name: str, value: object, fine: bool, expected: str) -> None:
    """Raises `UserError` unless the setting `name` is fine; `expected` says what would be."""
    if not fine:
        raise UserError(f"{name} must be {expected}. Received: {value}")
