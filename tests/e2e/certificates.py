"""Certificates as a user makes them by openssl: an authority, and a Secret with a certificate that it signed."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.e2e import programs

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """One that signs."""

    def __init__(self, folder: Path, name: str) -> None:
        """folder: for its files; name: its own, also in the certificate."""
        self._folder = folder
        self._stem = folder / name
        programs.run(
            *("openssl", "req", "-x509", *_CURVE, "-subj", f"/CN={name}", "-days", "2"),
            *("-keyout", f"{self._stem}.key", "-out", f"{self._stem}.crt"),
        )

    @property
    def certificate(self) -> str:
        """Its own certificate, which clients trust."""
        return Path(f"{self._stem}.crt").read_text()

    def secret(self, name: str, host: str, *trusted: Authority) -> dict[str, object]:
        """A Secret with a key and a certificate for a host name; ca.crt holds this authority and others that are `trusted`."""
        key, request, signed, extensions = (self._folder / f"server.{suffix}" for suffix in ("key", "csr", "crt", "ext"))
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        programs.run("openssl", "req", *_CURVE, "-subj", f"/CN={host}", "-keyout", str(key), "-out", str(request))
        signer = ("-CA", f"{self._stem}.crt", "-CAkey", f"{self._stem}.key", "-CAcreateserial", "-days", "2")
        programs.run("openssl", "x509", "-req", "-in", str(request), *signer, "-extfile", str(extensions), "-out", str(signed))
        bundle = "".join(each.certificate for each in (self, *trusted))
        data = {"tls.crt": signed.read_text(), "tls.key": key.read_text(), "ca.crt": bundle}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "data": {entry: base64.b64encode(text.encode()).decode() for entry, text in data.items()},
        }
