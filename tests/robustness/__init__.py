"""What makes load, does faults, judges what came of it and reports: for tests/e2e, tests/faults, tests/bench and the soak.

`release` is an installed release, `client` the pod that asks it, `programs` kubectl and helm, `lease` and `agents` what it tells of
itself; `stock` keeps releases for several tests. `traffic` has what writes and reads, `failpoint` what is done meanwhile, `validate` what
has to hold afterwards, `report` what is kept. `drill` and `trial` put these together: one fault under writes.

The scenarios import from here, and this from tests/cluster; import-linter sees to it (pyproject.toml).
"""
