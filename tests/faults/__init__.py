"""Every fault that a release has to survive, each a named test under writes.

    make faults ARGS="-k NAME"
    make soak HOURS=0.5

`drill` writes, waits and checks what must hold after every fault; `releases` has the releases that the faults are done to, `writers`
the clients, `report` what `make faults` leaves behind. A test's docstring says what happens, and what is guaranteed.
"""
