"""An image registry on the loopback interface, where engines pull without TLS: one image, and failures to order."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_WORDS = {
    401: ("UNAUTHORIZED", "authentication required"),
    403: ("DENIED", "requested access to the resource is denied"),
    404: ("MANIFEST_UNKNOWN", "manifest unknown"),
    429: ("TOOMANYREQUESTS", "You have reached your pull rate limit."),
}


class FakeRegistry:
    """Serves one image as the Docker Registry HTTP API v2 has it.

    `failures` are the statuses with which the next requests for the manifest are refused, in this order.

    Args:
        config: What the image's configuration says of its container: `Entrypoint`, `Env` and so on.
        architecture: The processor that the image is built for.
    """

    def __init__(self, config: Mapping[str, Any], architecture: str = "amd64") -> None:
        self.failures: list[int] = []
        self._blobs: dict[str, tuple[str, bytes]] = {}
        layer = _layer()
        image = {
            "architecture": architecture,
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [_digest(gzip.decompress(layer))]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob("application/vnd.docker.container.image.v1+json", json.dumps(image).encode()),
            "layers": [self._blob("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)],
        }
        entry = self._blob(_MANIFEST, json.dumps(manifest).encode())
        listed = {"platform": {"architecture": architecture, "os": "linux"}, **entry}
        manifests = {"schemaVersion": 2, "mediaType": _LIST, "manifests": [listed]}
        self._tag = self._blob(_LIST, json.dumps(manifests).encode())["digest"]
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))

    @property
    def image(self) -> str:
        """The image's name, with which an engine pulls it from here."""
        return f"127.0.0.1:{self._http.server_address[1]}/tfsig/served:1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        if path == "/v2/":
            return 200, "application/json", b"{}"
        name = path.rpartition("/")[2]
        if name == "1":
            if self.failures:
                return _refusal(self.failures.pop(0))
            name = self._tag
        if name in self._blobs:
            kind, content = self._blobs[name]
            return 200, kind, content
        return _refusal(404)

    def _blob(self, kind: str, content: bytes) -> dict[str, Any]:
        digest = _digest(content)
        self._blobs[digest] = (kind, content)
        return {"mediaType": kind, "size": len(content), "digest": digest}


def _refusal(status: int) -> tuple[int, str, bytes]:
    code, message = _WORDS.get(status, ("UNKNOWN", "unknown error"))
    return status, "application/json", json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def _layer() -> bytes:
    """Return a layer that holds next to nothing: an image without one cannot be pulled."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("made-for-a-test"))
    return gzip.compress(file.getvalue(), mtime=0)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _handler_of(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = registry.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that the base class calls

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
