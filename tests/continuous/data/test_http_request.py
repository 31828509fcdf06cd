"""Addresses, redirects and answers of servers that lie, talk without end, or send commands for the terminal."""

import pytest
from urllib3.exceptions import ReadTimeoutError

from ampl.errors import InvalidArgumentError, InvalidFileError
from continuous.data.http_request import Patience, TransferError, _redirected, ask, check_address
from tests.continuous.data.file_server import Behavior, serve, serve_raw


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands between us and the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def body(url: str, seconds: float) -> bytes:
    """What the server sends, undecoded."""
    return ask(url, {}, Patience(seconds)).raw.read(decode_content=False)


def refusal(url: str, seconds: float = 10.0) -> str:
    """What is said of a server that gives no file."""
    with pytest.raises((TransferError, InvalidFileError)) as caught:
        body(url, seconds)
    text = str(caught.value)
    assert text.isprintable()
    return text


@pytest.mark.parametrize(
    "url", ["http://h/f", "https://h:8080/a%20b?c=d", "http://[::1]:80/f", "HTTP://h", "http://h:"]
)
def test_addresses_of_files_are_taken(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://[::1]x/f",
        "http://h:port/f",
        "http://h:65536/f",
        "http://h:-1/f",
        "http://:80/f",
        "http://a..b/f",
        f"http://{'a' * 64}/f",
        "http://user:word@h/f",
        "http://%00/f",
        "http://h/a b",
        "http://h/a\nb",
        "http://h/\x1b[31m",
        "http://h/\xfc",
        "http://\xfc/f",
        "ftp://h/f",
        "file:///f",
        "//h/f",
        "",
    ],
)
def test_a_malformed_address_is_one_printable_line(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not an address of a file; expected http://") as caught:
        check_address(url)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    with serve(Behavior(b"the file")) as target, serve(Behavior(b"", status=status, location=target)) as url:
        assert body(url, 10.0) == b"the file"


def test_a_redirect_may_be_relative() -> None:
    behavior = Behavior(b"the file", plan=[{"status": 302, "location": "other"}, {"status": 200}])
    with serve(behavior) as url:
        assert body(url, 10.0) == b"the file"


@pytest.mark.parametrize(
    "location",
    ["file:///etc/hostname", "ftp://127.0.0.1/f", "data:,x", "http://[::1", "http://h:port/", "//user@h/f"],
)
def test_a_redirect_to_an_address_that_a_user_may_not_give_is_refused(location: str) -> None:
    with serve(Behavior(b"", status=302, location=location)) as url:
        assert f"redirects to '{location}', where no file is taken from" in refusal(url)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    assert _redirected("https://h/f", "//other/g") == "https://other/g"
    with pytest.raises(InvalidFileError, match="redirects to 'http://h/f', where no file is taken from"):
        _redirected("https://h/f", "http://h/f")


def test_redirects_in_a_circle_end() -> None:
    behavior = Behavior(b"", status=302, location="again")
    with serve(behavior) as url:
        assert "redirects further than 10 times" in refusal(url)
    assert len(behavior.asked) == 11


def test_a_redirect_to_nowhere_and_one_with_terminal_commands_are_errors() -> None:
    with serve_raw(b"HTTP/1.1 302 Found\r\n\r\n") as url:
        assert "answers 302 Found" in refusal(url)
    with serve_raw(b"HTTP/1.1 302 Found\r\nLocation: ftp://\x1b]0;title\x07\r\n\r\n") as url:
        assert "redirects to 'ftp://%1B]0;title%07'" in refusal(url)


def test_the_body_of_a_redirect_is_not_read() -> None:
    with serve(Behavior(b"the file")) as target:
        head = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n".encode()
        with serve_raw(head, again=bytes(1 << 16)) as url:
            assert body(url, 10.0) == b"the file"


@pytest.mark.parametrize("code", [404, 503])
def test_a_server_s_own_words_are_not_shown(code: int) -> None:
    with serve_raw(f"HTTP/1.1 {code} \x1b[31mEVIL\x1b]0;t\x07\r\nContent-Length: 0\r\n\r\n".encode()) as url:
        text = refusal(url)
    assert {404: "answers 404 Not Found", 503: "answers 503 Service Unavailable"}[code] in text
    assert "EVIL" not in text


def test_an_unknown_code_is_shown_by_its_number() -> None:
    with serve_raw(b"HTTP/1.1 799 \x1b[31mEVIL\r\n\r\n") as url:
        assert refusal(url) == "the server answers 799"


@pytest.mark.parametrize(
    ("first", "again", "pause"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        (b"", b"H", 0.01),
        (b"HTTP/1.1 200 OK\r\nA: ", b"b", 0.01),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x", 0.01),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n", 0.0),
    ],
    ids=["interim answers", "slow interim answers", "slow line", "slow header", "slow chunk", "trailers"],
)
def test_an_answer_that_never_ends_is_not_waited_for(first: bytes, again: bytes, pause: float) -> None:
    with serve_raw(first, again, pause) as url, pytest.raises((TransferError, ReadTimeoutError)):
        body(url, 0.3)


@pytest.mark.parametrize("answer", [b"", b"\x00\x01\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/9 200 OK\r\n\r\n"])
def test_what_is_no_answer_is_a_broken_connection(answer: bytes) -> None:
    with serve_raw(answer) as url:
        assert "the connection broke off" in refusal(url)


def test_a_proxy_s_words_are_shown_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_raw(b"HTTP/1.1 407 \x1b[31mpay first\r\n\r\n") as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(Exception, match=r"cannot reach host\.invalid .*407 \\x1b\[31mpay first") as caught:
            ask("https://host.invalid/f", {}, Patience(0.5))
    assert str(caught.value).isprintable()


def test_a_proxy_setting_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http:/host")
    with pytest.raises(InvalidFileError, match="look at the proxy settings"):
        ask("http://host.invalid/f", {}, Patience(0.5))
