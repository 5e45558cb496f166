"""Spoil valid answers of a server by a grammar. The same seed gives the same answer.

`build_malformed_answer` picks one fault of one production: status line, headers, length, chunks, encoding, JSON, pace.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from scripted_server import ServerConnection

OK = b"HTTP/1.1 200 OK"
DRIP_PAUSE = 0.02
LEAP_AFTER = 3
"""Bytes of a drip before the clock leaps."""
FLOOD_BLOCK = 64
"""Copies of a piece that a flood sends at once."""


@dataclass(frozen=True)
class MalformedAnswer:
    """Hold an answer that is not sent yet.

    `pieces` follow the bytes of `head`; `drip` sends them byte by byte, `flood` sends the last one until the client
    hangs up, `ending` says what comes after all bytes. An `endless` answer lasts longer than any call.
    """

    name: str
    head: bytes = b""
    pieces: tuple[bytes, ...] = ()
    drip: bool = False
    flood: bool = False
    ending: str = "close"
    status: int = 200
    endless: bool = False

    def send(self, wire: ServerConnection, leap: Callable[[], None] = lambda: None) -> None:
        """Send the answer. `leap` is called once in an endless answer: a clock may leap there."""
        if self.is_silent:
            leap()
        wire.send(self.head)
        leaps_after = LEAP_AFTER if self.endless else None
        for piece in self.pieces:
            if self.drip:
                wire.drip(piece[:leaps_after], DRIP_PAUSE)
            else:
                wire.send(piece)
        if self.endless and not self.is_silent:
            leap()
        if self.endless and self.drip:
            wire.drip(self.pieces[-1][leaps_after:], DRIP_PAUSE)
        while self.flood and not wire.closing.is_set():
            wire.send(self.pieces[-1] * FLOOD_BLOCK)
        match self.ending:
            case "hang":
                wire.hang()
            case "reset":
                wire.reset()

    @property
    def is_silent(self) -> bool:
        """Whether the answer is endless without a byte."""
        return self.endless and not self.pieces


def build_malformed_answer(random: Random, status: int, content: bytes) -> MalformedAnswer:
    """Build a malformed answer from the status and the content of a valid answer."""
    production = random.choice(PRODUCTIONS)
    answer = production(random, status, content)
    return replace(answer, name=f"{production.__name__.removeprefix('_')}: {answer.name}")


def _whole(status_line: bytes, headers: bytes, content: bytes) -> bytes:
    return status_line + b"\r\n" + headers + b"\r\n" + content


def _length(content: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(content)


def _line(status: int) -> bytes:
    return b"HTTP/1.1 %d Some" % status


def _plain(status: int, content: bytes, more: bytes = b"") -> bytes:
    return _whole(_line(status), _length(content) + more, content)


def _pick(random: Random, choices: dict[str, bytes]) -> tuple[str, bytes]:
    return random.choice(list(choices.items()))


# Productions

STATUS_LINES: dict[str, bytes] = {
    "nothing": b"",
    "no status": b"HTTP/1.1",
    "a blank status": b"HTTP/1.1  ",
    "no reason": b"HTTP/1.1 200",
    "a word": b"HTTP/1.1 abc OK",
    "too low": b"HTTP/1.1 99 Low",
    "too high": b"HTTP/1.1 1000 High",
    "negative": b"HTTP/1.1 -200 OK",
    "a plus": b"HTTP/1.1 +200 OK",
    "an underscore": b"HTTP/1.1 2_0_0 OK",
    "an exponent": b"HTTP/1.1 2e2 OK",
    "a superscript": b"HTTP/1.1 \xb2\xb0\xb0 OK",
    "another version": b"HTTP/9.9 200 OK",
    "version 2": b"HTTP/2 200",
    "an old version": b"HTTP/0.9 200 OK",
    "another protocol": b"ICY 200 OK",
    "lower case": b"http/1.1 200 ok",
    "no version": b"200 OK",
    "zeros": b"\x00" * 20,
    "latin-1": b"HTTP/1.1 200 \xff\xfe",
    "too long": b"HTTP/1.1 200 " + b"x" * 70_000,
    "mail": b"220 smtp.example ESMTP",
    "a page": b"<html><body>Welcome</body></html>",
    "TLS": b"\x15\x03\x03\x00\x02\x02\x28",
}
STATUSES = (
    101,
    204,
    205,
    206,
    226,
    299,
    300,
    304,
    305,
    399,
    402,
    407,
    418,
    451,
    499,
    500,
    503,
    520,
    599,
    600,
    999,
)


def _status_line(random: Random, status: int, content: bytes) -> MalformedAnswer:
    if random.random() < 0.4:
        other = random.choice(STATUSES)
        return MalformedAnswer(str(other), _plain(other, content), status=other)
    name, line = _pick(random, STATUS_LINES)
    return MalformedAnswer(name, _whole(line, _length(content), content))


def _too_many_requests(random: Random, status: int, content: bytes) -> MalformedAnswer:
    wait = random.choice(
        (b"", b"soon", b"-1", b"0", b"1e3", b"9" * 500, b"\xff", b"0x10", b"Mon, 99 Zed 0000")
    )
    page = random.choice((b"", b"<html>slow down</html>", b"{", content))
    return MalformedAnswer(
        f"Retry-After {wait[:9]!r}", _plain(429, page, b"Retry-After: " + wait + b"\r\n"), status=429
    )


HEADERS: dict[str, bytes] = {
    "no colon": b"Nonsense\r\n",
    "only a colon": b":\r\n",
    "no name": b": value\r\n",
    "a blank before the colon": b"X-Odd : y\r\n",
    "a folded line": b"X-Odd: y\r\n\t folded\r\n",
    "a folded first line": b" folded\r\n",
    "a zero": b"X-Odd: a\x00b\r\n",
    "a bare CR": b"X-Odd: a\rX-Other: b\r\n",
    "latin-1": b"X-\xe9: \xff\xfe\r\n",
    "too many": b"".join(b"X-%d: y\r\n" % number for number in range(300)),
    "too large": b"X-Odd: " + b"y" * 70_000 + b"\r\n",
    "many and large": b"".join(b"X-%d: %s\r\n" % (number, b"y" * 900) for number in range(90)),
    "odd types": b"Content-Type: \xff/;;charset=;charset=nonsense\r\n",
    "odd dates": b"Date: Mon, 99 Zed 0000 99:99:99 +9999\r\n",
    "an empty date": b"Date:\r\n",
    "an early date": b"Date: Mon, 01 Jan 0001 00:00:00 +2359\r\n",
    "odd quotas": b"X-Rate-Limit-Remaining: \xb2\r\nRetry-After: \xff\r\n",
    "huge quotas": b"X-Rate-Limit-Remaining: " + b"9" * 5000 + b"\r\n",
    "odd cookies": b"Set-Cookie: =;;expires=x;max-age=y;path=\x00;domain=..\r\n",
    "odd addresses": b"Location: //\xff:99999/[\r\n",
    "an odd connection": b"Connection: \xff, close, keep-alive\r\nKeep-Alive: timeout=-1\r\n",
    "an upgrade": b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    "a request id": b"X-Request-Id: \x1b[31m::error::\xe2\x80\xae\r\n",
}


def _headers(random: Random, status: int, content: bytes) -> MalformedAnswer:
    name, headers = _pick(random, HEADERS)
    if random.random() < 0.3:
        return MalformedAnswer(f"{name}, broken off", _whole(_line(status), headers, b"")[:-3])
    own = (headers, _length(content)) if random.random() < 0.5 else (_length(content), headers)
    return MalformedAnswer(name, _whole(_line(status), b"".join(own), content))


def _line_ends(random: Random, status: int, content: bytes) -> MalformedAnswer:
    end = random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b\x0c"))
    return MalformedAnswer(repr(end), _plain(status, b"", b"X-Odd: y\r\n").replace(b"\r\n", end) + content)


LENGTHS: dict[str, bytes] = {
    "negative": b"-5",
    "a word": b"many",
    "nothing": b"",
    "a fraction": b"12.5",
    "hexadecimal": b"0x40",
    "an underscore": b"1_0",
    "twice the same": b"7, 7",
    "twice another": b"7, 8",
    "huge": b"9" * 30,
    "far too huge": b"9" * 6000,
    "a superscript": b"\xb2",
    "zero": b"0",
    "one": b"1",
}


def _lengths(random: Random, status: int, content: bytes) -> MalformedAnswer:
    ending = random.choice(("close", "hang", "reset"))
    match random.randrange(3):
        case 0:
            cut = random.randrange(len(content) + 1)
            ending = ending if cut else "close"
            bytes_sent = _plain(status, content)[: -cut or None]
            return MalformedAnswer(f"cut, {ending}", bytes_sent, ending=ending, endless=ending == "hang")
        case 1:
            two = _length(content) + _length(content[1:])
            return MalformedAnswer("two lengths", _whole(_line(status), two, content))
    name, length = _pick(random, LENGTHS)
    return MalformedAnswer(name, _whole(_line(status), b"Content-Length: " + length + b"\r\n", content))


CHUNK_SIZES: dict[str, bytes] = {
    "-1": b"-1",
    "-5": b"-5",
    "-0": b"-0",
    "a word": b"zz",
    "nothing": b"",
    "a prefix": b"0x10",
    "a plus": b"+5",
    "an underscore": b"1_0",
    "blanks": b"  5  ",
    "a fraction": b"5.0",
    "signed and huge": b"7fffffffffffffff",
    "huge": b"f" * 40,
    "far too huge": b"f" * 20_000,
    "negative and huge": b"-" + b"f" * 40,
    "a zero byte": b"\x005",
    "latin-1": b"\xb2",
    "a long extension": b"5;" + b"e" * 70_000,
}


def _chunked(size: bytes, content: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return size + b"\r\n" + content + b"\r\n" + last


def _chunks(random: Random, status: int, content: bytes) -> MalformedAnswer:
    head = _whole(_line(status), b"Transfer-Encoding: chunked\r\n", b"")
    right = b"%x" % len(content)
    if random.random() < 0.6:
        name, size = _pick(random, CHUNK_SIZES)
        first = b"" if random.random() < 0.5 else _chunked(b"3", content[:3], b"")
        return MalformedAnswer(f"size {name}", head + first + _chunked(size, content))
    match random.randrange(5):
        case 0:
            more = b"%x" % (len(content) + random.choice((-7, -1, 1, 7)))
            return MalformedAnswer("a wrong size", head + _chunked(more, content))
        case 1:
            return MalformedAnswer("no last chunk", head + right + b"\r\n" + content + b"\r\n")
        case 2:
            trailers = random.choice(
                (b"nonsense", b"X: " + b"y" * 70_000, b"\x00\r\n\xff", b"Content-Length: 3")
            )
            end = b"0\r\n" + trailers + random.choice((b"", b"\r\n", b"\r\n\r\n"))
            return MalformedAnswer(f"trailers {trailers[:9]!r}", head + _chunked(right, content, end))
        case 3:
            both = _length(content) + b"Transfer-Encoding: chunked\r\n"
            return MalformedAnswer("a length and chunks", _whole(_line(status), both, content))
    coding = random.choice(
        (b"gzip", b"chunked, chunked", b"xchunked", b"identity", b"\xff", b"gzip, chunked")
    )
    headers = b"Transfer-Encoding: " + coding + b"\r\n"
    body = _whole(_line(status), headers, _chunked(right, content))
    return MalformedAnswer(f"coding {coding!r}", body)


def _encodings(random: Random, status: int, content: bytes) -> MalformedAnswer:
    packed = gzip.compress(content)
    bodies: dict[str, tuple[bytes, bytes]] = {
        "plain as gzip": (b"gzip", content),
        "cut gzip": (b"gzip", packed[: random.randrange(len(packed))]),
        "gzip with a tail": (b"gzip", packed + b"\x00tail"),
        "two gzips": (b"gzip", packed + packed),
        "altered gzip": (b"gzip", packed[:12] + bytes([packed[12] ^ 0x55]) + packed[13:]),
        "a wrong checksum": (b"gzip", packed[:-6] + b"\x00" * 6),
        "a bomb": (
            b"gzip",
            gzip.compress(content + b" " * 80_000_000, 1) if random.random() < 0.1 else packed[:9],
        ),
        "plain as deflate": (b"deflate", content),
        "raw deflate, cut": (b"deflate", zlib.compress(content)[2:-7]),
        "gzip twice": (b"gzip, gzip", packed),
        "gzip often": (b", ".join([b"gzip"] * 200), packed),
        "br": (b"br", b"\x0b\x02\x80" + content),
        "zstd": (b"zstd", b"\x28\xb5\x2f\xfd" + content),
        "compress": (b"x-compress", content),
        "unknown": (b"snappy", content),
        "latin-1": (b"\xff", content),
        "nothing": (b"", content[:-1]),
        "UTF-16": (b"identity", content.decode().encode("utf-16")),
        "a byte order mark": (b"identity", b"\xef\xbb\xbf" + content),
        "not UTF-8": (b"identity", content.replace(b'"', b'"\xff', 1)),
    }
    name, (encoding, body) = random.choice(list(bodies.items()))
    headers = b"Content-Encoding: " + encoding + b"\r\n"
    if random.random() < 0.3:
        chunks = _chunked(b"%x" % len(body), body)
        return MalformedAnswer(
            f"{name}, chunked", _whole(_line(status), headers + b"Transfer-Encoding: chunked\r\n", chunks)
        )
    return MalformedAnswer(name, _plain(status, body, headers))


SCALARS: tuple[Any, ...] = (None, True, 7, -1.5, "", "no", [], {}, [[]], "../x", "a b", "\x00", "x" * 5000)
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n ",
    "null": b"null",
    "a number": b"7",
    "a list": b"[]",
    "a text": b'"Success"',
    "an empty object": b"{}",
    "a page": b"<!doctype html><html><title>Log in</title></html>",
    "single quotes": b"{'code': 'Success'}",
    "a comment": b'{"code": "Success"} // done',
    "only a code": b'{"code": "Success"}',
    "another code": b'{"code": "AlmostSuccess", "message": "nearly"}',
    "a code in lower case": b'{"code": "success"}',
    "a code that is no text": b'{"code": 200, "data": {}}',
    "no data": b'{"code": "Success", "data": null}',
    "a list as data": b'{"code": "Success", "data": []}',
    "a text as data": b'{"code": "Success", "data": "none"}',
    "NaN": b'{"code": "Success", "data": NaN}',
    "Infinity": b'{"code": "Success", "data": {"items": -Infinity}}',
    "a number out of range": b'{"code": "Success", "data": {"items": 1e999}}',
    "a huge number": b'{"code": "Success", "data": {"items": ' + b"9" * 400 + b"}}",
    "a far too huge number": b'{"code": "Success", "data": {"items": ' + b"9" * 6000 + b"}}",
    "a key twice": b'{"code": "Success", "code": "Success"}',
    "a message that is an object": b'{"code": "Oops", "message": {"a": [1]}}',
    "deep lists": b'{"code": "Success", "data": ' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "half a surrogate": rb'{"code": "Oops\ud800", "message": "\udc00\u202e\u0000::error::"}',
    "a bad escape": rb'{"code": "\x41"}',
    "a control character": b'{"code": "a\x01b"}',
}


def _json(random: Random, status: int, content: bytes) -> MalformedAnswer:
    match random.randrange(4):
        case 0:
            name, body = "cut", content[: random.randrange(len(content))]
        case 1:
            name, body = _damage(random, json.loads(content))
        case _:
            name, body = _pick(random, BODIES)
    return MalformedAnswer(name, _plain(status, body))


NEEDED = ("code", "data", "items", "id", "group_id", "service", "config", "next_cursor", "account_id")
"""Keys whose type matters; a wrong text elsewhere is a lie and no malformed answer."""


def _damage(random: Random, document: Any) -> tuple[str, bytes]:
    """Put a value of a wrong type into a place of the document that the client needs."""
    places: list[tuple[dict[str, Any], str]] = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            places.extend((node, key) for key in node if key in NEEDED)
            for child in node.values():
                collect(child)
        elif isinstance(node, list):
            for child in node:
                collect(child)

    collect(document)
    if not places:
        return "data that is a number", b'{"code": 7}'
    node, key = random.choice(places)
    wrong = [each for each in SCALARS if type(each) is not type(node[key])]
    if key in {"id", "group_id"}:
        wrong += ["../x", "a b", "", "\x00", "x" * 5000]
    if key in {"next_cursor", "config"}:
        wrong = [each for each in wrong if each is not None]
    node[key] = random.choice(wrong)
    return f"{key} is a {type(node[key]).__name__}", json.dumps(document).encode()


def _drip(head: bytes, piece: bytes) -> MalformedAnswer:
    return MalformedAnswer("", head, (piece,), drip=True, endless=True)


def _flood(head: bytes, piece: bytes, *, endless: bool = False) -> MalformedAnswer:
    return MalformedAnswer("", head, (piece,), flood=True, endless=endless)


def _silence(head: bytes) -> MalformedAnswer:
    return MalformedAnswer("", head, ending="hang", endless=True)


def _pace(random: Random, status: int, content: bytes) -> MalformedAnswer:
    line = _line(status) + b"\r\n"
    in_chunks = _whole(_line(status), b"Transfer-Encoding: chunked\r\n", b"")
    whole = _chunked(b"%x" % len(content), content, b"0\r\n")
    tiny = b"".join(b"1\r\n%c\r\n" % byte for byte in content) + b"1\r\n \r\n" * 500
    paces = {
        "drips a status line": _drip(b"", b"HTTP/1.1 200 " + b"x" * 500),
        "drips headers": _drip(line, b"X: " + b"y" * 500),
        "drips a body": _drip(line + b"Content-Length: 5000\r\n\r\n", b" " * 5000),
        "drips chunks": _drip(in_chunks, tiny),
        "drips a chunk size": _drip(in_chunks, b"0" * 500),
        "drips trailers": _drip(in_chunks + whole, b"X: y\r\n" * 99),
        "drips interim answers": _drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50),
        # The client limits the size of headers, so these end by themselves.
        "floods interim answers": _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "floods early hints": _flood(b"", b"HTTP/1.1 103 Hint\r\nLink: <x>\r\n\r\n"),
        "floods headers": _flood(line, b"X: " + b"y" * 900 + b"\r\n"),
        "floods trailers": _flood(in_chunks + b"0\r\n", b"X: " + b"y" * 9000 + b"\r\n", endless=True),
        "floods chunks": _flood(in_chunks, b"1;" + b"e" * 9000 + b"\r\n \r\n", endless=True),
        "floods a body": _flood(line + b"\r\n", b" " * 9000, endless=True),
        "says nothing": _silence(b""),
        "says half a line": _silence(b"HTTP/1.1 20"),
        "says half the headers": _silence(line + b"Content-Le"),
        "says half a chunk": _silence(in_chunks + b"40\r\n{"),
        "resets": MalformedAnswer("", ending="reset"),
        "resets in the headers": MalformedAnswer("", line + b"Content-Le", ending="reset"),
        "resets in the body": MalformedAnswer("", _plain(status, content)[:-3], ending="reset"),
        "closes": MalformedAnswer(""),
    }
    name = random.choice(list(paces))
    return replace(paces[name], name=name)


def _noise(random: Random, status: int, content: bytes) -> MalformedAnswer:
    """Put random bytes into a valid answer, or in its place."""
    valid = _plain(status, content)
    if random.random() < 0.3:
        return MalformedAnswer("random bytes", random.randbytes(random.randrange(1, 400)))
    place = random.randrange(9, valid.index(b"\r\n\r\n") + 4)
    noise = random.randbytes(random.randrange(1, 9))
    return MalformedAnswer(f"at {place}", valid[:place] + noise + valid[place + random.randrange(4) :])


PRODUCTIONS: tuple[Callable[[Random, int, bytes], MalformedAnswer], ...] = (
    _status_line, _too_many_requests, _headers, _line_ends, _lengths, _chunks, _chunks, _encodings, _json, _json,
    _pace, _pace, _noise,
)  # fmt: skip
