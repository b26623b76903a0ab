"""A post-renderer of Helm: gives every pod the user that OpenShift would, a random one in group 0.

Run by Helm: reads rendered objects from the standard input and writes them to the standard output.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

USER = 1000660000
IDENTITY = {"runAsUser": USER, "runAsGroup": 0, "fsGroup": USER}


def give(node: Any) -> None:
    """Give all pods in a rendered object the user; raise ValueError if one has a user already."""
    if isinstance(node, dict):
        if "containers" in node:
            if IDENTITY.keys() & node["securityContext"].keys():
                raise ValueError("a pod has a user already")
            node["securityContext"] |= IDENTITY
        for child in node.values():
            give(child)
    elif isinstance(node, list):
        for child in node:
            give(child)


def main() -> None:
    documents = [document for document in yaml.safe_load_all(sys.stdin) if document]
    for document in documents:
        give(document)
    yaml.safe_dump_all(documents, sys.stdout)


if __name__ == "__main__":
    main()
