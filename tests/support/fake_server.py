"""A rerank server on loopback for all wire formats, whose faults tests can choose."""

import json
import re
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bge_rerank import load_scorer
from bge_rerank.logits import sigmoid
from bge_rerank.scoring import LazyScorer

Fault = Callable[[BaseHTTPRequestHandler], None]


def logit_of(query: str, text: str) -> float:
    """Return the logit of a pair, which is the same in every request."""
    return (zlib.crc32(f"{query}\0{text}".encode()) % 1_000) / 100 - 5


def words(text: str) -> list[tuple[int, int]]:
    """Return the spans of the tokens of a text: its words, and each other character."""
    return [found.span() for found in re.finditer(r"\w+|\S", text)]


def words_in_bytes(text: str) -> list[dict[str, Any]]:
    """Return the tokens of a text as TEI does, whose offsets count bytes of UTF-8."""
    return [
        {
            "id": 7,
            "text": text[start:stop],
            "special": False,
            "start": len(text[:start].encode()),
            "stop": len(text[:stop].encode()),
        }
        for start, stop in words(text)
    ]


@dataclass
class FakeServer:
    """The requests so far, and the faults to come. Each fault is for one request, in order."""

    dialect: str
    info: dict[str, Any] | Fault | None = None
    max_texts: int | None = None
    max_characters: int | None = None
    tokens: Callable[[str], list[Any]] | None = None
    seconds: float = 0.0
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    info_requests: int = 0
    running: int = 0
    most_at_once: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path.endswith("/tokenize") and self.tokens is None:
            return 404, {"error": "Not Found"}
        texts = body.get("inputs", body.get("texts", body.get("documents")))
        if self.max_texts is not None and len(texts) > self.max_texts:
            message = f"batch size {len(texts)} > maximum allowed batch size {self.max_texts}"
            return 422, {"error": message, "error_type": "Validation"}
        if self.max_characters is not None and max(map(len, texts)) > self.max_characters:
            message = "input is too large to process. increase the physical batch size"
            return 500, {"error": {"code": 500, "message": message}}
        if "inputs" in body and self.tokens is not None:
            return 200, list(map(self.tokens, texts))
        logits = [logit_of(body["query"], text) for text in texts]
        in_logits = self.dialect in ("tei", "infinity", "llamacpp") or "use_activation" in body
        scores = logits if in_logits else [sigmoid(logit) for logit in logits]
        name = "score" if self.dialect == "tei" else "relevance_score"
        results = [{"index": index, name: score} for index, score in enumerate(scores)]
        results.sort(key=lambda result: -result[name])
        if self.dialect == "tei":
            return 200, results
        named = {"object": "list"} if self.dialect == "llamacpp" else {}
        return 200, {"model": "m", "results": results, **named}


@contextmanager
def running(server: FakeServer, tls: ssl.SSLContext | None = None) -> Iterator[FakeServer]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    httpd.daemon_threads = True
    scheme = "http"
    if tls is not None:
        scheme, httpd.socket = "https", tls.wrap_socket(httpd.socket, server_side=True)
    server.url = f"{scheme}://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: Any,
    content_type: str = "application/json",
    **headers: str,
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def status(code: int, body: Any = None, **headers: str) -> Fault:
    """Return a fault: another status."""
    return lambda handler: send(handler, code, body or {"error": f"status {code}"}, **headers)


def says(body: Any, content_type: str = "application/json") -> Fault:
    """Return a fault: status 200 with another body."""
    return lambda handler: send(handler, 200, body, content_type)


def cut_body(handler: BaseHTTPRequestHandler) -> None:
    """Act as a fault: end the connection in the middle of the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'[{"index": 0, "sco')
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Act as a fault: end the connection without an answer."""
    handler.close_connection = True


def pours(chunk: bytes, sent: list[int]) -> Fault:
    """Return a fault: an endless body. `sent` gets the number of bytes of each chunk."""

    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while True:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            sent.append(len(chunk))

    return pour


def trickles(handler: BaseHTTPRequestHandler) -> None:
    """Act as a fault: send the body slowly, byte by byte."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while True:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.05)


def silent_for(seconds: float) -> Fault:
    """Return a fault: silence for some seconds, then the end of the connection."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        threading.Event().wait(seconds)
        handler.close_connection = True

    return wait


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path not in ("/info", "/version") or server.info is None:
                send(self, 404, {"error": "Not Found"})
                return
            server.info_requests += 1
            if callable(server.info):
                server.info(self)
            else:
                send(self, 200, server.info)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.running += 1
                server.most_at_once = max(server.most_at_once, server.running)
                server.asked.append({"path": self.path, **body})
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server.connections.add(self.client_address)
                fault = server.faults.popleft() if server.faults else server.always
            try:
                if fault is None:
                    threading.Event().wait(server.seconds)
                    send(self, *server.answer(self.path, body))
                else:
                    fault(self)
            except ConnectionError:  # the client disconnected
                self.close_connection = True
            finally:
                with server.lock:
                    server.running -= 1

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    return Handler


def ask(server: FakeServer, **options: Any) -> LazyScorer:
    """Return a scorer that asks the server."""
    return load_scorer("m", server.dialect, base_url=server.url, **options)
