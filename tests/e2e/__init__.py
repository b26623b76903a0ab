"""The tutorial, step by step, and what else is asked of a release, on a real cluster.

    make e2e ARGS="-k NAME"

What the scenarios use is in tests/robustness. A test that fails leaves logs, events and objects of its namespaces in build/e2e-artifacts.
"""
