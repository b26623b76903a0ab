"""The shell: one module for each thing outside the process."""
