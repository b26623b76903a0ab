"""Whether the ResourceQuotas of a namespace leave enough for claims. Pure; a refusal is an OperateError."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hapg.operate.kubectl import Object
from hapg.operate.release import OperateError
from hapg.spec import quantity

Need = tuple[str, Decimal]
"""A quota's resource, and how many bytes or objects more are needed of it."""


def storage(storage_class: str, size: str, instead_of: str = "0") -> list[Need]:
    """Return what a claim of this class needs more for another size. size, instead_of: quantities."""
    more = quantity.value(size) - quantity.value(instead_of)
    return [("requests.storage", more), (f"{storage_class}.storageclass.storage.k8s.io/requests.storage", more)]


def check(quotas: Iterable[Object], needs: Iterable[Need]) -> None:
    """Raise OperateError if a quota leaves less than is needed in all."""
    more: dict[str, Decimal] = {}
    for resource, amount in needs:
        more[resource] = more.get(resource, Decimal(0)) + amount
    for quota in quotas:
        if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
            continue
        status = quota.get("status") or {}
        for resource, hard in (status.get("hard") or {}).items():
            needed = more.get(resource, Decimal(0))
            free = quantity.value(hard) - quantity.value((status.get("used") or {}).get(resource, "0"))
            if needed > max(free, Decimal(0)):
                raise OperateError(
                    f"ResourceQuota {quota['metadata']['name']} has {_amount(resource, free)} of {resource} left, and "
                    f"{_amount(resource, needed)} more are needed; nothing was changed"
                )


def _amount(resource: str, amount: Decimal) -> str:
    return f"{amount / 2**30:.1f} GiB" if resource.endswith("requests.storage") else f"{amount:f}"
