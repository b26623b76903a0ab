"""What is the same in every chart: ports, and the settings that the protocol rests on."""

from __future__ import annotations

from collections.abc import Mapping

PORT = 5432
HTTP_PORT = 8008
PEER_PORT = 8009

STREAMING_SETTINGS: Mapping[str, str] = {
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "wal_sender_timeout": "5s",
}
"""Lines of postgresql.conf by which a failed upstream is noticed within seconds and a new one found at once."""

DURABILITY_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "wal_log_hints": "on",
    "restart_after_crash": "off",
}
"""Lines of postgresql.conf by which what is on a disk, and how a server ends, is what the protocol takes it for (rule 4)."""
