"""What both programs speak: Lease, position reports, requests, pods, settings, version profile. Standard library only."""
