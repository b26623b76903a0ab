"""Roles and databases that the values declare: what is wanted, what was found, and the statements from one to the other. Pure."""
