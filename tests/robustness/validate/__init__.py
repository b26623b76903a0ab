"""Checks of the clients' answers, of the rows in the tables, and of the Lease. An empty list means that all is well."""
