"""The upgrade guard: what an upgrade from one chart to another would change, and what that does to a running release."""
