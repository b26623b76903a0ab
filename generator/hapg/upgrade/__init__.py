"""The upgrade guard: what an upgrade would change, and what that does to a running release."""
