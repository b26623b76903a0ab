"""A registry's HTTP API, as the OCI distribution specification defines it: tags, digests, and tokens."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from hapg import VERSION
from hapg.errors import HapgError

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_LOCAL = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?")
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST = 4 * 1024 * 1024
"""The largest answer that is read, in bytes; the specification's limit for manifests."""
_MOST_PAGES = 100
_TIMEOUT_S = 30.0
_REASONS = {404: "not found", 401: "login refused", 403: "login refused"}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    body: bytes


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Tags and manifests are not redirected, and a token must not follow to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request, so that the redirection is an error."""


@dataclass
class Registry:
    """One registry. host: with its port; plain HTTP is spoken with this machine alone. login: base64 of USER:PASSWORD, or empty."""

    host: str
    login: str = field(default="", repr=False)
    _token: str = field(default="", init=False, repr=False)

    def tags(self, repository: str) -> list[str]:
        """Return all tags of a repository. Raises HapgError."""
        found: list[str] = []
        path = f"/v2/{repository}/tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            answer = self._get(path, repository, repository)
            found += self._json(answer, repository).get("tags") or []
            link = _NEXT.search(answer.headers.get("Link", ""))
            if link is None:
                return found
            following = urllib.parse.urlsplit(urllib.parse.urljoin(self._address(path), link[1]))
            path = f"{following.path}?{following.query}"
        raise HapgError(f"{self.host}/{repository}: more than {_MOST_PAGES} pages of tags")

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest of the manifest, or the index of manifests, that a tag leads to. Raises HapgError."""
        what = f"{repository}:{tag}"
        answer = self._get(f"/v2/{repository}/manifests/{tag}", repository, what)
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        said = answer.headers.get("Docker-Content-Digest", digest)
        if _DIGEST.fullmatch(said) and said != digest:
            raise HapgError(f"{self.host}/{what}: the registry says {said}, but its manifest has {digest}")
        return digest

    def _address(self, path: str) -> str:
        return f"{'http' if _LOCAL.fullmatch(self.host) else 'https'}://{self.host}{path}"

    def _get(self, path: str, repository: str, what: str) -> _Answer:
        answer = self._once(self._address(path), self._token)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._token = self._authorization(answer.headers.get("WWW-Authenticate", ""), repository, what)
            answer = self._once(self._address(path), self._token)
        if answer.status == HTTPStatus.OK:
            return answer
        said = _REASONS.get(answer.status, f"the registry answers {answer.status}")
        raise HapgError(f"{self.host}/{what}: {said}")

    def _authorization(self, challenge: str, repository: str, what: str) -> str:
        """Return the header Authorization for what the registry asks for: a token from the server that it names, or the login itself."""
        kind = challenge.partition(" ")[0].lower()
        asked = dict(_PARAMETER.findall(challenge))
        if kind == "basic" and self.login:
            return f"Basic {self.login}"
        realm = urllib.parse.urlsplit(asked.get("realm", ""))
        safe = realm.scheme == "https" or (realm.scheme == "http" and _LOCAL.fullmatch(realm.netloc))
        if kind != "bearer" or not safe:
            raise HapgError(f"{self.host}/{what}: a login is needed; name a file with one by --registry-config")
        query = {"service": asked.get("service", self.host), "scope": f"repository:{repository}:pull"}
        address = urllib.parse.urlunsplit(realm._replace(query=urllib.parse.urlencode(query)))
        answer = self._once(address, f"Basic {self.login}" if self.login else "")
        if answer.status != HTTPStatus.OK:
            raise HapgError(f"{self.host}/{what}: login refused")
        found = self._json(answer, what)
        return f"Bearer {found.get('token') or found.get('access_token') or ''}"

    def _once(self, address: str, authorization: str) -> _Answer:
        headers = {"Accept": f"{_MANIFESTS}, application/json", "User-Agent": f"hapg/{VERSION}"}
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - https, or this machine
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        handlers: list[type[urllib.request.BaseHandler] | urllib.request.BaseHandler] = [_NoRedirects]
        if _LOCAL.fullmatch(request.host):
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S) as answer:
                body = answer.read(_LARGEST + 1)
                status, told = answer.status, answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.headers, b"")
        except (OSError, HTTPException) as error:
            raise HapgError(f"{self.host}: no answer: {getattr(error, 'reason', error) or error}") from error
        if len(body) > _LARGEST:
            raise HapgError(f"{self.host}: an answer has more than {_LARGEST // 1024} KiB")
        return _Answer(status, told, body)

    def _json(self, answer: _Answer, what: str) -> Mapping[str, Any]:
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise HapgError(f"{self.host}/{what}: the answer is not JSON as a registry sends it")
        return found
