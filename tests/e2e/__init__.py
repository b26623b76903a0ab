"""The tutorial, step by step, and what else is asked of a release, on a real cluster.

    make e2e ARGS="-k NAME"

`release` is what is tested, `client` the pod that asks, `writes` what a writing client was told, `faults` what is done to a release,
`trial` one fault under writes with all that has to hold afterwards. A test that fails leaves logs, events and objects of its namespaces
in build/e2e-artifacts.
"""
