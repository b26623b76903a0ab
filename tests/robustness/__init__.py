"""Generates load, injects faults, checks the results and reports them: for tests/e2e, tests/faults, tests/bench and the soak.

`release` is an installed release, `client` the pod that sends it queries, `programs` kubectl and helm; `lease` and `agents` read what
the release reports about itself; `stock` keeps releases for several tests. `traffic` has the writers and readers, `failpoint` the
faults, `validate` the checks afterwards, `report` the files that are kept. `drill` and `trial` combine these: one fault under writes.
The scenarios import from here, and this package from tests/cluster; import-linter enforces it (pyproject.toml).
"""
