"""Certificates, created with openssl as a user would: an authority, and a Secret with a certificate
that it signed.
"""

from __future__ import annotations

import base64
from pathlib import Path

from tests.robustness import programs

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_PAST = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
_SETTINGS = """[ca]
default_ca = books
[books]
database = {books}/index
default_md = sha256
rand_serial = yes
policy = any
[any]
commonName = supplied
"""


class Authority:
    """A certificate authority."""

    def __init__(self, folder: Path, name: str) -> None:
        """folder: for its files; name: its name, also in the certificate."""
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

    def secret(self, name: str, host: str, *trusted: Authority, expired: bool = False) -> dict[str, object]:
        """A Secret with a key and a certificate for a host name; ca.crt contains this authority and the `trusted` ones."""
        key, request, signed, extensions = (self._folder / f"server.{suffix}" for suffix in ("key", "csr", "crt", "ext"))
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        programs.run("openssl", "req", *_CURVE, "-subj", f"/CN={host}", "-keyout", str(key), "-out", str(request))
        self._sign(request, extensions, signed, _PAST if expired else ("-days", "2"))
        bundle = "".join(each.certificate for each in (self, *trusted))
        data = {"tls.crt": signed.read_text(), "tls.key": key.read_text(), "ca.crt": bundle}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "data": {entry: base64.b64encode(text.encode()).decode() for entry, text in data.items()},
        }

    def _sign(self, request: Path, extensions: Path, signed: Path, validity: tuple[str, ...]) -> None:
        books = self._folder / "books"
        books.mkdir(exist_ok=True)
        (books / "index").write_text("")
        (books / "settings").write_text(_SETTINGS.format(books=books))
        signer = ("-config", str(books / "settings"), "-cert", f"{self._stem}.crt", "-keyfile", f"{self._stem}.key")
        files = ("-in", str(request), "-extfile", str(extensions), "-out", str(signed), "-outdir", str(books))
        programs.run("openssl", "ca", "-batch", "-notext", *signer, *files, *validity)
