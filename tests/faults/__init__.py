"""Every fault that a release has to survive, each a named test under writes.

    make faults ARGS="-k NAME"
    make soak HOURS=0.5

A test's docstring says what happens, and what is guaranteed; `soak` does faults at random. What they use is in tests/robustness: `drill`
writes, waits and checks what must hold after every fault, `failpoint` has what is done, `stock` the releases it is done to.
"""
