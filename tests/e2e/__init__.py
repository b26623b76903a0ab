"""The tutorial, step by step, and further requirements for a release, on a real cluster.

    make e2e ARGS="-k NAME"

Helpers of the scenarios are in tests/robustness. A failed test leaves logs, events and objects of its namespaces in build/e2e-artifacts.
"""
