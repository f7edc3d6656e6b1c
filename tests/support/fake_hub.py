"""A server on this machine that answers as the hub does, with the files of one repository."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REPOSITORY = "acme/reranker"
COMMIT = "0123456789" * 4


@dataclass
class FakeHub:
    """The server's address, and the files that were downloaded from it."""

    url: str
    downloaded: list[str] = field(default_factory=list)


@contextmanager
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    """Serve the files of a folder as the repository `REPOSITORY`."""
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    tree = [
        {"type": "file", "path": name, "size": path.stat().st_size, "oid": COMMIT}
        for name, path in files.items()
    ]
    about = {"id": REPOSITORY, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.partition(f"/resolve/{COMMIT}/")[2]
            if self.path.startswith(f"/api/models/{REPOSITORY}/tree/"):
                body = json.dumps(tree).encode()
            elif self.path.startswith(f"/api/models/{REPOSITORY}"):
                body = json.dumps(about).encode()
            elif name in files:
                body = files[name].read_bytes()
                if with_body:
                    hub.downloaded.append(name)
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
