"""hapg generates a Helm chart from a short Postgres spec and operates its releases."""

VERSION = "0.1.0"
"""The version of the project, as in pyproject.toml."""
