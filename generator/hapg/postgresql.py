"""What every major has in common: ports, and the parameters that aren't the user's."""

from __future__ import annotations

PORT = 5432
HTTP_PORT = 8008
PEER_PORT = 8009

RESERVED_PARAMETERS = (
    "archive_cleanup_command",
    "cluster_name",
    "config_file",
    "data_directory",
    "external_pid_file",
    "fsync",
    "full_page_writes",
    "hba_file",
    "hot_standby",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "max_slot_wal_keep_size",
    "password_encryption",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "promote_trigger_file",
    "recovery_end_command",
    "restore_command",
    "synchronous_standby_names",
    "unix_socket_directories",
    "unix_socket_group",
    "unix_socket_permissions",
    "update_process_title",
    "wal_level",
    "wal_log_hints",
)
"""Parameters that the protocol depends on; all that begin with recovery_target as well."""
