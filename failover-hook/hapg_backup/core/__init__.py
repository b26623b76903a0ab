"""Decisions of the backup container: pure functions over names, lists and settings."""
