"""What a decision is made of: what a member sees and remembers; and what it results in: actions, operations and their results."""
