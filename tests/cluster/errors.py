"""The one exception that the command line turns into a message and a non-zero exit code."""


class ClusterError(Exception):
    """Something that the user can understand and act on; the message says what and, if known, what to do."""
