"""The Roles of all releases that this session's tests installed, against the API server's audit log: no call was forbidden, and over a
whole run no right was left unused.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.audit import rights
from tests.cluster import audit, chosen

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough]

STARTED = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
"""The tests are collected before the first one runs."""


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest) -> rights.Audit:
    """What the pods of this session's releases asked for."""
    if not chosen.is_local():
        pytest.skip("the audit log is that of the local cluster")
    if not any(item.path.parent.name == "e2e" for item in request.session.items):
        pytest.skip("no test of this session installed a release: run tests/e2e and tests/audit together")
    assert audit.FOLDER.is_dir(), "the cluster was started before it had an audit log: make cluster-down"
    return rights.audit(audit.events(STARTED))


def test_rights_no_call_of_a_release_was_forbidden(seen: rights.Audit) -> None:
    assert seen.used["NAME"]
    assert seen.missing == {}


def test_rights_each_was_used_by_some_release(seen: rights.Audit, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("keyword"):
        pytest.skip("a part of the tests uses a part of the rights")
    assert {kind: [str(right) for right in unused] for kind, unused in seen.unused().items()} == {}
