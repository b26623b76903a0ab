"""A running release: its state, switchover and forced failover, through the user's kubectl."""
