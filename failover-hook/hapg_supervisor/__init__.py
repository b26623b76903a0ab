"""The supervisor: bash scripts, which the failover image brings and its init container copies into the pod. No Python but this."""
