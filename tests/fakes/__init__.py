"""Fakes of the services that the failover container talks to."""
