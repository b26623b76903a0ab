"""Faults of a release, its pods, its volumes and its nodes."""
