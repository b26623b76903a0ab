"""How long writing clients wait when a primary fails: several runs of each fault on a real cluster; and the cost of an idle release.

    make bench                  ten runs of each fault
    make bench SYSTEM=patroni   the same for Patroni with its default times; patroni-fast: with its shortest, all: the three
    make bench SYSTEM=all ARGS="--minutes 60 --times 10"
    make bench ARGS="--load"    under pgbench; ARGS="--starve" while other processes load the nodes' CPUs and disk
    make bench ARGS="--backup"  what pgbench's transactions wait while a backup is taken
    make bench ARGS="--reconfigure"  how long changed values need until every server has them in effect
    make bench-report           write docs/bench.md and the README's table from the results

The results are JSON lines in build/bench.jsonl, one per system and fault; `--resume` keeps the existing ones. No time is asserted.
`faults` has the faults, `trial` measures one, `phases` shows where the time goes, `idle`, `routing`, `backups` and `reconfigure` measure
without a fault, `modes` has the load during a run. Writers, pgbench and faults come from tests/robustness.
"""
