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
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidHeader, ProxyError, SSLError
from urllib3.exceptions import MaxRetryError

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


def check_address(url: str) -> None:
    """Raises InvalidArgumentError unless `url` is the well-formed address of something on an HTTP server."""
    try:
        parts = urlsplit(url)
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


def ask(url: str, headers: Mapping[str, str], patience: Patience) -> requests.Response:
    """The server's answer, redirects followed over checked addresses; its body is read with the same patience.

    Args:
        url: a checked address.
        headers: of the request.
        patience: renewed for each address that is asked.

    Raises:
        TransferError: no answer in time, a broken one, or one of a server in trouble; RangeError for answer 416.
        UnreachableError: no connection at all.
        InvalidFileError: the server does not have the file, or redirects to where it cannot be.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        patience.renew()
        response = _answer(url, headers, patience)
        code = response.status_code
        if 200 <= code < 300:
            response.raw.enforce_content_length = False  # `transfer` says better what is missing
            return response
        response.close()  # unread: the body of an answer that is no file may be endless
        location = response.headers.get("Location")
        if code not in _REDIRECTING or location is None:
            said = f"answers {code} {http.client.responses.get(code, '')}".rstrip()
            if code in _NEVER or 300 <= code < 400:
                raise InvalidFileError(f"{url} {said}.")
            kind = RangeError if code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE else TransferError
            raise kind(f"the server {said}")
        url = _redirected(url, location)
    raise InvalidFileError(f"{url} redirects further than {_MOST_REDIRECTS} times.")


def _answer(url: str, headers: Mapping[str, str], patience: Patience) -> requests.Response:
    """What one address answers, a redirect or an error too."""
    host = urlsplit(url).hostname
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, patience)
    try:
        return session.get(url, headers=headers, stream=True, timeout=patience.seconds)
    except requests.Timeout as error:
        raise TransferError("no answer in time") from error
    except requests.ConnectionError as error:
        cause = _first_cause(error)
        if isinstance(error, ProxyError | SSLError) or (error.args and isinstance(error.args[0], MaxRetryError)):
            why = getattr(cause, "strerror", None) or str(cause)
            raise UnreachableError(f"cannot reach {host} ({ascii(why)[1:-1]})") from error
        raise TransferError(f"the connection broke off ({type(cause).__name__})") from error
    except InvalidHeader as error:
        raise TransferError("the connection broke off (InvalidHeader)") from error
    except ValueError as error:  # a proxy setting that is no address
        raise InvalidFileError(f"cannot ask {host} ({str(error)!a}); look at the proxy settings.") from error


def _first_cause(error: BaseException) -> BaseException:
    """The error below those that urllib3 and requests wrap around it, in whose text are addresses of objects."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _redirected(url: str, location: str) -> str:
    """The address that an answer of `url` points to; refused where a user's own would be, or where it is less safe."""
    quoted = quote(location, safe=string.punctuation, encoding="iso-8859-1", errors="replace")
    try:
        target = urljoin(url, quoted)
        check_address(target)
        if url.lower().startswith("https:") and not target.lower().startswith("https:"):
            raise ValueError("from a safe address to an open one")
    except (ValueError, InvalidArgumentError) as error:
        raise InvalidFileError(
            f"{url} redirects to {quoted[:200]!a}, where no file is taken from; expected http:// or https://."
        ) from error
    return target


class _Session(requests.Session):
    """Follows no redirect, not even to look where it leads: that would read its body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Patience(HTTPAdapter):
    """Connections whose every byte, from the first line of an answer to the last trailer, comes in time or not at all.

    The time limit of requests begins again with each byte; this one begins again where the caller sees progress.

    Args:
        seconds: that are waited, from now and from each renewal.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Starts the time again."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds that are left.  Raises TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        return left

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        """The pool of connections that requests asks for, with answers that are read in time."""
        pool = super().get_connection_with_tls_context(*arguments, **options)
        timed = {"response_class": staticmethod(partial(_TimedResponse, patience=self))}
        pool.ConnectionCls = type("TimedConnection", (type(pool).ConnectionCls,), timed)
        return pool


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, patience: Patience, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach(), patience))


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase, patience: Patience) -> None:
        self._sock, self._raw, self._patience = sock, raw, patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._patience.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
