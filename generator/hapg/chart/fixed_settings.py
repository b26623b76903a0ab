"""Settings that are the same in every chart: ports, and the parameters that the protocol depends on."""

from __future__ import annotations

from collections.abc import Mapping

PORT = 5432
HTTP_PORT = 8008
PEER_PORT = 8009
BACKUP_PORT = 8011

REPOSITORY_MOUNT = "/repository"
"""Where the container `backup` mounts an archive on a file system."""
SOURCE_MOUNT = "/source-repository"
"""The same for the archive that a new release is restored from."""

STREAMING_SETTINGS: Mapping[str, str] = {
    "wal_retrieve_retry_interval": "100ms",
    "wal_receiver_timeout": "5s",
    "wal_receiver_status_interval": "1s",
    "wal_sender_timeout": "5s",
}
"""Lines of postgresql.conf that make a standby notice a failed upstream within seconds and find a new one at once."""

DURABILITY_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "wal_log_hints": "on",
    "restart_after_crash": "off",
}
"""Lines of postgresql.conf that the protocol relies on: for the content of the disk, and for how a server ends (rule 4)."""

ARCHIVE_SETTINGS: Mapping[str, str] = {
    "archive_mode": "always",
    "archive_command": "'bash /etc/hapg/supervisor/pgbackrest.sh push %f'",
    "archive_timeout": "'60s'",
}
"""Lines of postgresql.conf with an archiver. Before `postgresql.parameters`, which may change the last."""
