"""Completes a partial file over HTTP: asks for the bytes that are missing, and never joins two versions of a file.

What the server answers is compared with what it answered when the file was begun: the tag of the version, the full
size, and where the bytes belong. Unless all agree, the file is begun again. Source: RFC 9110, sections 8.8 (names of
versions), 13.1.5 (If-Range) and 15.3.7 (partial content).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ampl.errors import InvalidFileError
from ampl.progress import progress
from continuous.data.http_request import Patience, RangeError, TransferError, ask
from continuous.data.partial_file import PartialFile, Version

_BLOCK = 1 << 18  # most bytes read at a time
_PROGRESS = 1000  # bytes within the time limit, fewer are silence
_MEGABYTE = 1_000_000
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)


def transfer(partial: PartialFile, timeout: float, most: int) -> None:
    """One attempt to complete the partial file; what has arrived stays for the next one if that can go on from there.

    Args:
        partial: where the bytes go.
        timeout: seconds without an answer, or without a thousand bytes of it, that end the attempt.
        most: bytes that the file may have.

    Raises:
        TransferError: broken off, stalled, shorter or longer than announced, another version than the one begun, or
            the server is in trouble.
        UnreachableError: no connection at all.
        InvalidFileError: the server does not have the file, the file is too large, or the disk does not take it.
    """
    headers = {"Accept-Encoding": "identity"}
    begun = partial.begun
    if begun is not None:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": begun.tag}
    patience = Patience(timeout)
    try:
        response = ask(partial.url, headers, patience)
    except RangeError:  # what we have is no beginning of theirs
        partial.restart(None)
        raise
    with response:
        total = _begin(partial, response) if response.status_code == 200 else _go_on(partial, response, begun)
        if total is not None and total > most:
            partial.restart(None)
            raise _too_large(partial, f"announces {total} bytes", most)
        _copy(response, partial, total, most, patience)
    partial.flush()
    if total is not None and partial.size != total:
        raise TransferError(f"the server announced {total} bytes and sent {partial.size}")


def _begin(partial: PartialFile, response: requests.Response) -> int | None:
    """Empties the file for an answer with all bytes; returns how many they are, if it says so."""
    length = None if response.raw.chunked else response.headers.get("Content-Length")
    total = int(length) if length is not None and _LENGTH.fullmatch(length) else None
    tag = _tag(response.headers)
    if total is None or tag is None or response.headers.get("Accept-Ranges") == "none":
        partial.restart(None)
    else:
        partial.restart(Version(url=partial.url, size=total, tag=tag))
    return total


def _go_on(partial: PartialFile, response: requests.Response, begun: Version | None) -> int:
    """Checks that an answer with some bytes goes on with the version begun; returns how many that one has in all."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range") or "")
    if begun is None or response.status_code != 206 or found is None:
        partial.restart(None)
        raise TransferError(f"the server answers {response.status_code} with bytes that were not asked for")
    first, last, total = found.groups()
    same = begun.tag in (response.headers.get("ETag"), response.headers.get("Last-Modified"))
    if not same or total not in ("*", str(begun.size)) or int(first) != partial.size or int(last) >= begun.size:
        partial.restart(None)
        raise TransferError("the server goes on with another version of the file, so it begins again")
    return begun.size


def _tag(headers: Mapping[str, str]) -> str | None:
    """The name of this version that promises equal bytes: a strong ETag; without any, a date that is past.

    A file that changed within the second in which it was sent may change once more without another date.
    """
    tag = headers.get("ETag")
    if tag is not None:
        return tag if _STRONG_TAG.fullmatch(tag) else None
    try:
        changed = headers["Last-Modified"]
        past = (parsedate_to_datetime(headers["Date"]) - parsedate_to_datetime(changed)).total_seconds() >= 1.0
    except (KeyError, TypeError, ValueError, OverflowError):  # missing or malformed
        return None
    return changed if past else None


def _copy(response: requests.Response, partial: PartialFile, total: int | None, most: int, patience: Patience) -> None:
    """Appends the body, as far as it comes in time and is not larger than it may be."""
    mark, shown = partial.size, 0
    patience.renew()
    with progress(f"{partial.path.stem} (MB)", None if total is None else -(-total // _MEGABYTE)) as bar:
        while block := _read(response, patience.seconds):
            if total is not None and partial.size + len(block) > total:
                partial.restart(None)
                raise TransferError(f"the server sends more than the {total} bytes that it announced")
            if partial.size + len(block) > most:
                partial.restart(None)
                raise _too_large(partial, "does not say how many bytes the file has and sends more", most)
            partial.append(block)
            bar.advance(partial.size // _MEGABYTE - shown)
            shown = partial.size // _MEGABYTE
            if partial.size - mark >= _PROGRESS:
                mark = partial.size
                patience.renew()


def _read(response: requests.Response, seconds: float) -> bytes:
    try:
        return response.raw.read1(_BLOCK, decode_content=False)  # not read: after a stall it loses what came before
    except ReadTimeoutError as error:
        raise TransferError(f"fewer than {_PROGRESS} bytes came in {seconds:g} seconds") from error
    except (HTTPError, OSError) as error:
        raise TransferError(f"the connection broke off ({type(error).__name__})") from error


def _too_large(partial: PartialFile, what: str, most: int) -> InvalidFileError:
    return InvalidFileError(f"{partial.url} {what}; at most {most} are taken. If it is the right file, set --max-size.")
