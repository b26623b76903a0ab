"""Leaves each rule of docs/protocol.md out of the real code in turn: a named test must fail then."""
