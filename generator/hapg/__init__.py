"""hapg: from a short Postgres spec to a Helm chart."""
