"""Output of the tests: histories, artifacts of failures, and the page docs/faults.md."""
