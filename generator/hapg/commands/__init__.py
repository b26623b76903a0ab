"""The commands of hapg, one module each.

`arguments(parser)` declares the command's arguments and sets `run`, which returns the exit code. A
module is imported only when its command is called, so that no command pays for another's imports.
"""
