"""hapg generates a Helm chart from a short Postgres spec and operates its releases."""
