"""Translates objects and values of other systems into a spec and values. One module per system; pure."""
