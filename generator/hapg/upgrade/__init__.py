"""The upgrade guard: what an upgrade changes, and the effect on a running release."""
