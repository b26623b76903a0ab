"""The backup container: archives WAL, makes and restores backups with pgBackRest. docs/contract.md is its specification."""
