"""Several members of a release in virtual time: tests the protocol's core against late, lost and
outdated answers, crashes and network cuts.
"""
