"""The formats that both programs share: Lease, position reports, requests, pods, settings, version profile. Standard library only."""
