"""How long writing clients wait when a primary fails: each fault several times, on a real cluster; and what a release costs at rest.

    make bench                  ten times each
    make bench SYSTEM=patroni   the same done to Patroni with its default times; patroni-fast: with its shortest, all: the three
    make bench SYSTEM=all ARGS="--minutes 60 --times 10"
    make bench ARGS="--load"    under pgbench; ARGS="--starve" with processors and disk of the nodes taken by others
    make bench-report           docs/bench.md and the README's table from what was measured

The lines of JSON are in build/bench.jsonl, one for each system and fault; `--resume` keeps those that are there. Nothing is asserted
about times: `faults` says what is done, `trial` measures one, `phases` tells where the time goes, `idle` and `routing` measure what
has to do with no fault; `modes` says in what state a system is meanwhile. Writers, pgbench and faults are those of tests/robustness.
"""
