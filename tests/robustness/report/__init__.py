"""What a test leaves behind: histories, the artefacts of a failure, the page of faults."""
