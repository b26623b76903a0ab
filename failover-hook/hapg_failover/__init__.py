"""The failover container of ha-postgres: watches the primary and replaces it when it fails."""
