"""How long writing clients wait when a primary fails: each fault several times, on a real cluster.

    make bench
    python -m tests.bench --times 10 --faults graceful,node

A writer appends about 100 rows a second through the Service, over one session, and tries to connect anew every 50 ms. The gap is the
longest time between two acknowledgements that it sees. Nothing is asserted about times.
"""
