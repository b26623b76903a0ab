"""The protocol as small machines whose states are searched one and all; docs/protocol.md says what they stand for."""
