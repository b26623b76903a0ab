"""Decisions as pure functions: no clock, no network, no files, no processes."""
