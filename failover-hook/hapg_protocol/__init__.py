"""What the members of a release write for each other and for `hapg`: the Lease, position reports, requests, pods. Standard library only."""
