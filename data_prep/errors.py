"""The exception for a mistake of the user's, shown as one line."""


class UserError(ValueError):
    """What the user asked for cannot be done as asked.

    The message names the file or argument, what was expected, what was received and what to do.
    `command_line.run` prints it without a traceback.
    """
