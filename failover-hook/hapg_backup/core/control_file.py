"""The size of WAL segments and the system identifier, from a data directory's control file."""

from __future__ import annotations

import struct

from hapg_protocol.wal_files import is_segment_size

_VERSION_AT, _SEGMENT_SIZE_AT = 8, 228
_LAYOUTS = (960, 1201, 1300, 1700, 1800)
"""Layout versions of PostgreSQL 9.6, 12, 13 to 16, 17 and 18, which all have the size at the same place (catalog/pg_control.h)."""


def system_identifier(data: bytes) -> int:
    """Return the database's identifier. Raise ValueError if `data` is not a control file of a known layout."""
    segment_size(data)
    (found,) = struct.unpack_from("=Q", data)
    return int(found)


def segment_size(data: bytes) -> int:
    """Return the size of a WAL segment in bytes. Raise ValueError if `data` is not a control file of a known layout."""
    try:
        (version,) = struct.unpack_from("=I", data, _VERSION_AT)
        (size,) = struct.unpack_from("=I", data, _SEGMENT_SIZE_AT)
    except struct.error:
        raise ValueError("the control file is too short") from None
    if version not in _LAYOUTS:
        raise ValueError(f"the control file has the layout {version}, known are {', '.join(map(str, _LAYOUTS))}")
    if not is_segment_size(size):
        raise ValueError(f"the control file gives WAL segments {size} bytes")
    return int(size)
