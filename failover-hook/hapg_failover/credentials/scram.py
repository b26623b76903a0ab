"""The forms in which PostgreSQL stores a password: a SCRAM-SHA-256 verifier (RFC 5802, RFC 5803), or an MD5 hash, as before version 10.

Computed here, so that no SQL statement ever contains a password.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stringprep
import unicodedata
from base64 import b64decode, b64encode

SALT_BYTES = 16
ITERATIONS = 4096
_VERIFIER = re.compile(r"SCRAM-SHA-256\$([1-9][0-9]{0,8}):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def scram(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return the SCRAM verifier of a password, in the form stored in pg_authid.rolpassword."""
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def md5(password: str, user: str) -> str:
    """Return the MD5 hash of `user`'s password, in the form stored in pg_authid.rolpassword."""
    return "md5" + hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()


def fits_scram(stored: str | None, password: str) -> bool:
    """True if `stored` is a SCRAM verifier of `password`."""
    match = _VERIFIER.fullmatch(stored or "")
    if match is None:
        return False
    try:
        salt = b64decode(match[2], validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(scram(password, salt, int(match[1])), match[0])


def _prepared(password: str) -> bytes:
    """Return the password as PostgreSQL hashes it: after SASLprep (RFC 4013), or unchanged if SASLprep rejects it."""
    if password.isascii():
        return password.encode()
    spaced = (" " if stringprep.in_table_c12(c) else c for c in password)  # first, because U+200B is in both tables
    mapped = "".join(c for c in spaced if not stringprep.in_table_b1(c))
    if not mapped or any(is_in(c) for c in mapped for is_in in _PROHIBITED) or not _is_one_way(mapped):
        return password.encode()
    return unicodedata.normalize("NFKC", mapped).encode()


def _is_one_way(text: str) -> bool:
    """True if text with right-to-left characters (RFC 3454, section 6) has no left-to-right ones, and begins and ends right-to-left."""
    backwards = [stringprep.in_table_d1(c) for c in text]
    return not any(backwards) or (backwards[0] and backwards[-1] and not any(map(stringprep.in_table_d2, text)))


def _text(data: bytes) -> str:
    return b64encode(data).decode()
