"""hapg switchover: the primary hands over to a replica."""

from hapg.operate.commands import switchover_arguments as arguments

__all__ = ["arguments"]
