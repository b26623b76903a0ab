"""The end of the tutorial: uninstall and install again; the volumes are kept."""

from __future__ import annotations

import pytest

from tests.robustness.lease import LeaseHistory
from tests.robustness.release import CHART, VALUES, Release
from tests.robustness.validate import rows, terms

pytestmark = [pytest.mark.cluster, pytest.mark.pages, pytest.mark.slow, pytest.mark.timeout(420)]

CONTENT = "SELECT count(*), sum(number) FROM kept"


def test_data_is_there_after_uninstall_and_install(tutorial: Release, history_of_lease: LeaseHistory) -> None:
    tutorial.wait_full_strength()
    tutorial.client.sql("CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number")
    before, secret = tutorial.lease(), tutorial.namespace.get("secret", "ha-postgres-auth")
    claims = {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in tutorial.namespace.get("persistentvolumeclaims")}

    tutorial.uninstall()
    assert tutorial.namespace.helm("list", "--short").split() == []
    tutorial.install(CHART, "--values", str(VALUES))
    tutorial.wait_serving()
    tutorial.wait_full_strength()

    assert tutorial.client.sql(CONTENT) == [["1000", "500500"]]
    assert rows.missing_rows(tutorial) == {}
    after = tutorial.namespace.get("persistentvolumeclaims")
    assert {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in after} == claims
    assert tutorial.namespace.get("secret", "ha-postgres-auth")["data"] == secret["data"]
    assert tutorial.lease()["systemIdentifier"] == before["systemIdentifier"]
    assert tutorial.lease()["term"] > before["term"]
    assert tutorial.lease()["timeline"] > before["timeline"]
    assert terms.violations(history_of_lease.reigns) == []
