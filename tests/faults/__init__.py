"""Every fault that a release must survive, each a named test under writes.

    make faults ARGS="-k NAME"
    make soak HOURS=0.5

A test's docstring says what happens and what is guaranteed. `soak` injects faults at random. Helpers are in tests/robustness: `drill`
writes, waits and checks what must hold after every fault, `failpoint` has the faults, `stock` the releases.
"""
