"""Clients that put a release to use: writers, readers, registers, pgbench. What each was told is in its log."""
