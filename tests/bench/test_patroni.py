"""Patroni's manifests have the structure that the bench expects of a release."""

from __future__ import annotations

import pytest
import yaml

from tests.bench import modes
from tests.bench.patroni import FastPatroni, Patroni
from tests.robustness.programs import Namespace
from tests.robustness.release import NAME


@pytest.mark.parametrize(("kind", "times"), [(Patroni, (30, 10, 10)), (FastPatroni, (20, 1, 3))])
def test_times_are_those_of_the_system(kind: type[Patroni], times: tuple[int, int, int]) -> None:
    system = kind(Namespace("somewhere"), storage_class="disks")
    documents = {each["kind"]: each for each in yaml.safe_load_all(system.manifests("secret")) if each["kind"] != "Service"}
    configuration = yaml.safe_load(documents["ConfigMap"]["data"]["patroni.yaml"])
    assert configuration["scope"] == NAME
    assert configuration["kubernetes"]["namespace"] == "somewhere"
    dcs = configuration["bootstrap"]["dcs"]
    assert (dcs["ttl"], dcs["loop_wait"], dcs["retry_timeout"]) == times
    assert documents["Secret"] == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{NAME}-auth"},
        "stringData": {"POSTGRES_PASSWORD": "secret"},
    }
    [claim] = documents["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "disks"
    [container] = documents["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "PATRONI_RESTAPI_CONNECT_ADDRESS", "value": "$(PATRONI_KUBERNETES_POD_IP):8008"} in container["env"]


def test_a_new_pod_finds_data_that_its_group_cannot_write() -> None:
    documents = yaml.safe_load_all(Patroni(Namespace("somewhere")).manifests("secret"))
    [template] = [each["spec"]["template"] for each in documents if each["kind"] == "StatefulSet"]
    assert template["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_under_load_it_has_the_settings_and_the_room_of_ours() -> None:
    documents = list(yaml.safe_load_all(Patroni(Namespace("somewhere"), mode=modes.LOAD).manifests("secret")))
    [text] = [each["data"]["patroni.yaml"] for each in documents if each["kind"] == "ConfigMap"]
    assert yaml.safe_load(text)["bootstrap"]["dcs"]["postgresql"]["parameters"]["shared_buffers"] == "1GB"
    [claim] = [each["spec"]["volumeClaimTemplates"][0] for each in documents if each["kind"] == "StatefulSet"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "8Gi"


def test_its_version_is_the_pinned_one() -> None:
    assert Patroni(Namespace("somewhere")).version() == "Patroni 4.1.5, ttl 30, loop_wait 10, retry_timeout 10"
