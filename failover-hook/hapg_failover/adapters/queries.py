"""The queries of the agent, with the newest majors' names; each answers with one row."""

from __future__ import annotations

STATUS = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery()
            THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                          (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                          (SELECT received_tli FROM pg_stat_wal_receiver))
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
       END,
       CASE WHEN pg_is_in_recovery()
            THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text
            ELSE pg_current_wal_flush_lsn()::text
       END,
       (SELECT system_identifier::text FROM pg_control_system()),
       (SELECT coalesce(json_agg(json_build_array(application_name, host(client_addr), state, flush_lsn::text)), '[]')::text
          FROM pg_stat_replication),
       current_setting('synchronous_standby_names')
"""

REPLAY_PAUSED = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END"

STANDBY_NAMES = """
SELECT current_setting('synchronous_standby_names'),
       (SELECT coalesce(json_agg(json_build_array(application_name, sync_priority)), '[]')::text FROM pg_stat_replication)
"""

END_LAGGARDS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_replication
 WHERE application_name <> %s AND (flush_lsn IS NULL OR state <> 'streaming' OR pg_current_wal_lsn() - flush_lsn > %s)
"""

END_TRANSACTIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""

SLOTS = """
SELECT coalesce(json_agg(json_build_array(slot_name, active)), '[]')::text FROM pg_replication_slots WHERE slot_type = 'physical'
"""
MAKE_SLOT = """
SELECT pg_create_physical_replication_slot(name, true) FROM (SELECT %s::name) AS wanted (name)
 WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = name)
"""
DROP_LOST_SLOT = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active AND wal_status = 'lost'
"""
HAS_SLOT = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s AND wal_status <> 'lost'"
SIZE = "SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint + pg_tablespace_size('pg_global')"
SEGMENTS = "SELECT coalesce(json_agg(name), '[]')::text FROM pg_ls_dir('pg_wal') AS name WHERE name ~ '^[0-9A-F]{24}$'"
HISTORY = "SELECT convert_from(pg_read_binary_file('pg_wal/' || %s, 0, %s, false), 'UTF8')"
STREAMS = """
SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = %s)
"""
SOURCE = """
SELECT (SELECT coalesce(json_agg(spcname), '[]')::text FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = session_user),
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres' AND rolsuper AND rolcanlogin),
       EXISTS (SELECT FROM pg_database WHERE datname = 'postgres' AND datallowconn)
"""

ROLES = """
SELECT coalesce(json_agg(json_build_array(
         rolname, rolpassword, rolcanlogin, rolreplication, rolsuper,
         (SELECT coalesce(json_agg(f), '[]') FROM unnest(%s::text[]) AS wanted (f) WHERE NOT has_function_privilege(r.oid, f, 'EXECUTE')),
         (SELECT coalesce(json_agg(m), '[]') FROM unnest(%s::text[]) AS wanted (m) WHERE NOT pg_has_role(r.oid, m::name, 'USAGE'))
       )), '[]')::text
  FROM pg_authid AS r WHERE rolname = ANY (%s)
"""
DATABASE_OWNER = "SELECT (SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = %s)"
