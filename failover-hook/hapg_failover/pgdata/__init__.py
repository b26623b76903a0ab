"""PostgreSQL's files as bytes: WAL, the control file, configuration errors. Pure."""
