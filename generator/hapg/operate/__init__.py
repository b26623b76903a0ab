"""A running release: how it is, and its switchover and forced failover, through the user's kubectl."""
