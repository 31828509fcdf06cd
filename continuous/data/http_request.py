"""Asks a server for a file: over checked addresses only, through redirects, and not for longer than agreed.

A server's words (its reason for an error, the address it redirects to) may hold anything, terminal commands too. Its
reasons are never shown, as RFC 9110 advises, and its addresses only escaped.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import string
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from ampl.errors import InvalidArgumentError, InvalidFileError

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:\d*)?", re.ASCII)  # HOST or HOST:PORT, without a user's name
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_NEVER = frozenset({400, 401, 403, 404, 405, 410, 451})  # answers that another attempt will not change


class TransferError(Exception):
    """An attempt that failed, and may succeed if it is made again."""


class RangeError(TransferError):
    """The server's file ends before the bytes that were asked for."""


class UnreachableError(Exception):
    """There is no way to the server: no network, or no such host."""


class Deadline:
    """The time until which a server is waited for; put off by whoever sees that it does its work.

    Args:
        seconds: from now, and from each time that it is put off.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.put_off()

    def put_off(self) -> None:
        """Starts the time again."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: none.
        """
        left = self._end - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        return left


def check_address(url: str) -> None:
    """Raises InvalidArgumentError unless `url` is the well-formed address of something on an HTTP server."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises ValueError if it is none
        (parts.hostname or "").encode("idna")  # and this if a part of the name is empty or too long
        plain = url.isascii() and url.isprintable() and " " not in url
        valid = parts.scheme in ("http", "https") and plain and _PLACE.fullmatch(parts.netloc) is not None
    except ValueError:  # UnicodeError is one
        valid = False
    if not valid:
        raise InvalidArgumentError(
            f"{url!a} is not an address of a file; expected http://HOST/... or https://HOST/..., with anything "
            "but plain characters written as %XX."
        )


def ask(url: str, headers: Mapping[str, str], deadline: Deadline) -> http.client.HTTPResponse:
    """The server's answer, redirects followed; its body is read under the same deadline.

    Args:
        url: a checked address.
        headers: of the request.
        deadline: put off for each address that is asked.

    Raises:
        TransferError: no answer in time, a broken one, or one of a server in trouble; RangeError for answer 416.
        UnreachableError: no connection at all.
        InvalidFileError: the server does not have the file, or redirects to where it cannot be.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        deadline.put_off()
        response = _open(url, headers, deadline)
        if 200 <= response.status < 300:
            return response
        response.close()  # unread: the body of an answer that is no file may be endless
        location = response.headers.get("Location")
        if response.status not in _REDIRECTING or location is None:
            raise _refusal(url, response.status)
        url = _redirected(url, location)
    raise InvalidFileError(f"{url} redirects further than {_MOST_REDIRECTS} times.")


def _open(url: str, headers: Mapping[str, str], deadline: Deadline) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(_Http(deadline), _Https(deadline), _AnyAnswer)
    host = urllib.parse.urlsplit(url).hostname
    try:
        response = opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=deadline.seconds)
        return cast(http.client.HTTPResponse, response)
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError) and not isinstance(error.reason, socket.gaierror):
            raise TransferError("no answer in time") from error
        why = getattr(error.reason, "strerror", None) or str(error.reason)
        raise UnreachableError(f"cannot reach {host} ({ascii(why)[1:-1]})") from error
    except TimeoutError as error:
        raise TransferError("no answer in time") from error
    except (http.client.HTTPException, OSError) as error:
        raise TransferError(f"the connection broke off ({type(error).__name__})") from error
    except ValueError as error:  # a proxy setting that is no address
        raise InvalidFileError(f"cannot ask {host} ({str(error)!a}); look at the proxy settings.") from error


def _refusal(url: str, code: int) -> Exception:
    """What an answer other than success means."""
    answer = f"answers {code} {http.client.responses.get(code, '')}".rstrip()
    if code in _NEVER or 300 <= code < 400:
        return InvalidFileError(f"{url} {answer}.")
    if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeError(f"the server {answer}")
    return TransferError(f"the server {answer}")


def _redirected(url: str, location: str) -> str:
    """The address that an answer of `url` points to; refused where a user's own address would be."""
    quoted = urllib.parse.quote(location, safe=string.punctuation, encoding="iso-8859-1", errors="replace")
    try:
        target = urllib.parse.urljoin(url, quoted)
        check_address(target)
    except (ValueError, InvalidArgumentError) as error:
        raise InvalidFileError(
            f"{url} redirects to {quoted[:200]!a}, where no file is taken from; expected http:// or https://."
        ) from error
    return target


class _AnyAnswer(urllib.request.HTTPErrorProcessor):
    """Returns redirects and errors as answers like any other, so that nothing is followed or read unchecked."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpConnection, deadline=self._deadline), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpsConnection, deadline=self._deadline), req)


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]


class _Response(http.client.HTTPResponse):
    """An answer whose every byte, from the first line to the last trailer, comes before the deadline or not at all."""

    def __init__(self, sock: socket.socket, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach(), deadline))


class _TimedReader(io.RawIOBase):
    """Reads a socket; a socket's own time limit begins again with each byte, a deadline does not."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: Deadline) -> None:
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
