"""An HTTP server on 127.0.0.1 that serves one file and misbehaves as told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behavior:
    """What the server does; changed by the test between requests, or by `plan` from request to request."""

    content: bytes
    tag: str | None = '"one"'
    modified: str | None = None  # Last-Modified
    status: int = 200
    claimed: int | None = None  # Content-Length, if not the true one
    say_length: bool = True
    ranges: bool = True  # honors Range
    careless: bool = False  # honors Range without looking at If-Range
    content_range: str | None = None  # Content-Range, if not the true one
    accept_ranges: str | None = None  # Accept-Ranges
    location: str | None = None  # where it redirects to
    break_after: int | None = None  # bytes of a response after which the connection closes
    stall_after: int | None = None  # bytes after which nothing comes any more
    plan: list[dict[str, object]] = field(default_factory=list)  # changes applied before each request, in order
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request


@contextmanager
def serve(behavior: Behavior) -> Iterator[str]:
    """The address of the file while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            if behavior.plan:
                for name, value in behavior.plan.pop(0).items():
                    setattr(behavior, name, value)
            asked = self.headers.get("Range")
            behavior.asked.append(asked)
            start = 0
            if behavior.status != 200:
                self.send_response(behavior.status)
                if behavior.location is not None:
                    self.send_header("Location", behavior.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            current = self.headers.get("If-Range") in (behavior.tag, behavior.modified) or behavior.careless
            if asked and behavior.ranges and current:
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                if start >= len(behavior.content):
                    self.send_response(416)
                    self.end_headers()
                    return
                self.send_response(206)
                end = len(behavior.content) - 1
                true = f"bytes {start}-{end}/{behavior.claimed or len(behavior.content)}"
                self.send_header("Content-Range", true if behavior.content_range is None else behavior.content_range)
            else:
                self.send_response(200)
            body = behavior.content[start:]
            if behavior.say_length:
                claimed = len(body) if behavior.claimed is None else behavior.claimed - start
                self.send_header("Content-Length", str(claimed))
            if behavior.tag:
                self.send_header("ETag", behavior.tag)
            if behavior.accept_ranges:
                self.send_header("Accept-Ranges", behavior.accept_ranges)
            if behavior.modified:
                self.send_header("Last-Modified", behavior.modified)
            self.end_headers()
            self._send(body)

        def _send(self, body: bytes) -> None:
            limit = min(value for value in (behavior.break_after, behavior.stall_after, len(body)) if value is not None)
            try:
                self.wfile.write(body[:limit])
                self.wfile.flush()
                if behavior.stall_after is not None and limit == behavior.stall_after:
                    time.sleep(1.0)
            except OSError:  # the client has left
                pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{'file.hdf5'}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serve_raw(first: bytes, again: bytes = b"", pause: float = 0.0) -> Iterator[str]:
    """The address of a server that sends `first`, and then `again` for as long as the client listens.

    Args:
        first: sent once to every client; after it the connection closes if `again` is empty.
        again: sent without end.
        pause: seconds before each time.
    """
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # the block has ended
                return
            with client, suppress(OSError):
                client.recv(1 << 16)
                client.sendall(first)
                while again:
                    time.sleep(pause)
                    client.sendall(again)

    threading.Thread(target=answer, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/file.hdf5"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
