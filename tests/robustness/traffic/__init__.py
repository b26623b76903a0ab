"""Clients that use a release: writers, readers, registers, pgbench. The log of each has the answers it got."""
