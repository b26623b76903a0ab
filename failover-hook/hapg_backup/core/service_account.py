"""The JSON key of a service account in Google Cloud.

It is checked before pgBackRest reads it: at text that is no JSON pgBackRest's message quotes the text, private key and all, and a value of
another type ends it without a message (seen with 2.55.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .errors import Misconfigured

ENTRY = "GOOGLE_SERVICE_ACCOUNT_JSON_KEY"
"""The entry of the repository's Secret."""
_NEEDED = ("client_email", "private_key", "token_uri")


def check(text: str) -> None:
    """Raise Misconfigured, which quotes nothing of the text, unless it is such a key."""
    reason = _reason(text)
    if reason:
        raise Misconfigured(
            f"{ENTRY} in the repository's Secret is not the JSON key of a service account: {reason}; put the file there as Google gave it"
        )


def _reason(text: str) -> str:
    try:
        found = json.loads(text, strict=False)
    except ValueError:
        return "it is not JSON"
    if not isinstance(found, Mapping):
        return "it is not an object"
    return "".join([f"its {name} is missing" for name in _NEEDED if not (isinstance(found.get(name), str) and found[name])][:1])
