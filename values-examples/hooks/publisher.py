"""Names the publisher of a chart in its Chart.yaml, as Helm repositories and Artifact Hub show it.

hapg generate orders.yaml -o charts-of-mine --hooks publisher.py
"""

from __future__ import annotations

import yaml

from hapg.hooks import hook

PUBLISHER = {
    "home": "https://example.com/charts/orders",
    "sources": ["https://example.com/git/orders"],
    "icon": "https://example.com/charts/orders.svg",
    "maintainers": [{"name": "Orders", "email": "orders@example.com"}],
}
ANNOTATIONS = {
    "artifacthub.io/links": "- name: Runbook\n  url: https://example.com/runbooks/orders\n",
    "artifacthub.io/changes": "- kind: changed\n  description: Three servers instead of two\n",
    # Of the key with which `helm package --sign` has signed the package.
    "artifacthub.io/signKey": "fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567\nurl: https://example.com/charts/key.asc\n",
}


@hook
def adjust_files(files: dict[str, str]) -> None:
    """Add the publisher's fields and annotations."""
    head = yaml.safe_load(files["Chart.yaml"])
    head |= PUBLISHER
    head["annotations"] |= ANNOTATIONS
    files["Chart.yaml"] = yaml.safe_dump(head, sort_keys=False)
