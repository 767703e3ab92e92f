"""The one error that a user is meant to read."""


class BcError(Exception):
    """Something the user can mend. The message names the thing, the value and the remedy.

    Command lines print it without a traceback and exit with status 2; anything else is a defect, and its traceback is
    shown.
    """
