"""The outside world of the backup container: pgBackRest, files, sockets."""
