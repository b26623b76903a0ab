"""The one exception that the command line turns into a message and a non-zero exit code."""


class ClusterError(Exception):
    """An error that the user can understand and act on; the message says what happened and, if known, what to do."""
