"""hapg failover: the forced way."""

from hapg.operate.commands import failover_arguments as arguments

__all__ = ["arguments"]
