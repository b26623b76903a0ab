"""Passwords: Secret entries, SCRAM verifiers, and the roles that use them. Pure."""
