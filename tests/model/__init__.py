"""Models of the protocol as small state machines that are searched exhaustively; docs/protocol.md says what they represent."""
