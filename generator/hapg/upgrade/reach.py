"""Who can reach the servers, before a change and after it: Services and NetworkPolicies. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hapg.upgrade.differences import MISSING, Change
from hapg.upgrade.effects import Effect, Finding

_WIDTHS = ("ClusterIP", "NodePort", "LoadBalancer")
"""The types of a Service, each reachable from wherever those before it are."""


def service_type(change: Change) -> Finding:
    """Return the effect of another type of a Service."""
    before, after = ("ClusterIP" if value is MISSING else value for value in (change.old, change.new))
    if before not in _WIDTHS or after not in _WIDTHS:
        return Finding(Effect.CUT_OFF, "clients reach another address", change)
    if _WIDTHS.index(after) < _WIDTHS.index(before):
        return Finding(Effect.CUT_OFF, f"clients that use what {before} opens can no longer connect", change)
    return Finding(Effect.NOTHING, "clients inside the cluster connect as before; others may connect too", change)


def load_balancer_class(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> Finding:
    """Return the effect of another class of load balancer. old, new: the Services' specs."""
    if old.get("type") == new.get("type") == "LoadBalancer":
        return Finding(Effect.IMMUTABLE, "Kubernetes refuses another class while the type is LoadBalancer", change)
    return Finding(Effect.NOTHING, "it comes or goes with the load balancer", change)


def source_ranges(change: Change) -> Finding:
    """Return the effect of other loadBalancerSourceRanges: lists of networks; none at all lets everybody in."""
    if change.new is MISSING or not change.new:
        return Finding(Effect.NOTHING, "the load balancer lets everybody in", change)
    before = [] if change.old is MISSING else change.old
    if before and all(_is_within(network, change.new) for network in before):
        return Finding(Effect.NOTHING, "the load balancer lets more clients in", change)
    return Finding(Effect.CUT_OFF, "clients from elsewhere can no longer connect", change)


def _is_within(network: str, others: Sequence[str]) -> bool:
    """Return whether one of `others` contains `network`. Texts that are no networks contain themselves only."""
    if network in others:
        return True
    try:
        inner = ipaddress.ip_network(network, strict=False)
        outer = [ipaddress.ip_network(other, strict=False) for other in others]
    except ValueError:
        return False
    return any(
        inner.network_address in each and inner.broadcast_address in each and inner.prefixlen >= each.prefixlen
        for each in outer
        if each.version == inner.version
    )


def address_families(old: object, new: object) -> tuple[Effect, str]:
    """Return the effect of other address families of a Service, and why. Kubernetes keeps those of a Service that names none."""
    before, after = (value if isinstance(value, list) else [] for value in (old, new))
    if not after:
        return Effect.NOTHING, "the Service keeps its address families"
    if before[:1] != after[:1]:
        return Effect.IMMUTABLE, "Kubernetes refuses to change the first address family of a Service"
    if len(after) < len(before):
        return Effect.CUT_OFF, "the Service loses its second address, and clients that use it can no longer connect"
    return Effect.NOTHING, "the Service gets a second address"


def is_wider(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """True if the NetworkPolicy `new` (its spec) certainly allows all that `old` allows, for the same pods."""
    if old.get("podSelector") != new.get("podSelector"):
        return False
    if not set(new.get("policyTypes", ("Ingress",))) <= set(old.get("policyTypes", ("Ingress",))):
        return False
    return all(
        any(_rule_is_wider(rule, other, peers) for other in new.get(direction) or [])
        for direction, peers in (("ingress", "from"), ("egress", "to"))
        for rule in old.get(direction) or []
    )


def _rule_is_wider(old: Mapping[str, Any], new: Mapping[str, Any], peers: str) -> bool:
    """True if each part of the rule is a superset; a part that is missing or empty allows everything."""
    return all(not new.get(part) or (bool(old.get(part)) and _texts(old[part]) <= _texts(new[part])) for part in (peers, "ports"))


def _texts(items: Sequence[Any]) -> set[str]:
    return {json.dumps(item, sort_keys=True) for item in items}
