"""The checksum of PostgreSQL's WAL records and control file."""

from __future__ import annotations

from crc32c import crc32c

__all__ = ["crc32c"]
