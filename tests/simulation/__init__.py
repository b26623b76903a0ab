"""Several members of a release in virtual time: the protocol's core against late, lost and zombie answers, crashes and cuts."""
