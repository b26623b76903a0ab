"""The files of PostgreSQL, as bytes: WAL, the control file, complaints about a configuration. Pure."""
