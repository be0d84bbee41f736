"""A user's mistake: one message that says what is wrong, where, and what to do; exit code 2, no traceback."""


class UserError(Exception):
    """Bad input from a user.

    A data loader re-raises its worker's exception with the whole traceback as the message; what follows the last
    mention of this class is the message that was written for the user.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition("UserError: ")[2].rstrip())
