"""Runs several members of a release in virtual time, to test the core of the protocol against late, lost and stale answers, crashes and
network partitions.
"""
