"""Scenarios of the field that have no test in this folder, with the reason."""

LEFT_OUT: dict[str, str] = {}
