"""The commands of hapg, a module each.

`arguments(parser)` declares what the command takes and sets `run`, which returns the exit code. A
module is imported only when its command is called, so that no command pays for another's imports.
"""
