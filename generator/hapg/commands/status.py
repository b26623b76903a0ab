"""hapg status: who is primary, who may take over, and what is wrong."""

from hapg.operate.commands import status_arguments as arguments

__all__ = ["arguments"]
