"""Stand-ins for what the failover container talks to."""
