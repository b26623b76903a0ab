"""The agent's ports to the outside world: one protocol per adapter, and their errors."""
