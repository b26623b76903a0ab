"""Operating a running release through the user's kubectl: status, switchover and forced failover."""
