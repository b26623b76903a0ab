"""The operator's side: status, switchover and forced failover of a release, through the user's own kubectl."""
