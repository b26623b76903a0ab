"""The inputs of a decision (what an agent observes and remembers) and its outputs: actions, operations and their results."""
