"""Passwords: entries of a Secret, SCRAM verifiers, the roles that have them. Pure."""
