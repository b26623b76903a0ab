"""The rules of docs/protocol.md, each left out of the real code in turn: a named test has to fail then."""
