"""The schemas of a spec and of a chart's values, and their validation."""
