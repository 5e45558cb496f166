"""Redact known secrets from texts, in every encoding in which a server can repeat them.

The rule:

- A secret of at least `MIN_LENGTH` characters is redacted, in any case of its letters.
- A shorter secret, a single word of letters and a plain number (both below `MIN_WORD_LENGTH` characters) stay in clear,
  since they occur in ordinary texts; their encodings do not stay.
- A secret of a spec stays if the public texts of the project hold the same text, such as the name of an entry.
- Of a key or a token, every run of at least `MIN_RUN` characters is redacted; of a secret of several lines also every
  line of at least `MIN_LINE_LENGTH` characters.

A text is searched as it is, and again after each round of decoding its escapes (URL, form, JSON, XML), so that mixed
and repeated escapes need no list. Base64 in its three alignments and hex are searched as such, since a decoder would
not know where they begin.
"""

from __future__ import annotations

import html
import json
import re
import sys
import threading
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations, compress, count
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

from reconciler.model.value import MASKED_IN_OUTPUT

MIN_LENGTH = 7
MIN_WORD_LENGTH = 12
MIN_LINE_LENGTH = 12
MIN_RUN = 24
MIN_UNBROKEN_LENGTH = 16
"""Characters of the shortest secret that is also found with other line breaks or none."""

_MIN_TOKEN_LENGTH = 48
_GRAM = 4
"""Characters of a gram. A text is looked up at every fourth position only, so that one machine word is one gram; all
secrets are registered at four positions to make up for it."""
_PART_STEP = 5  # prime to _GRAM: a run of 4 * 5 + 3 characters is always met
_MAX_PARTS = (
    8  # secrets with one beginning, such as the header of all RSA keys, must not slow the search down
)
_MAX_PARTS_LENGTH = 64 * 1024  # longer secrets are no keys
_MAX_ROUNDS = 4
_MAX_WHOLE_LENGTH = 100_000

_WORD_OR_NUMBER = re.compile(r"[^\W\d_]+|[0-9]+")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]+")
_MARKER = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_SECRET_MEMBER = re.compile(r"secret|password|passphrase|key|token|credential", re.IGNORECASE)
_ESCAPE = re.compile(
    r"[%\\&](?:"  # the first character stands outside, which makes the search several times faster
    r"(?<=%)[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*"
    r"|(?<=\\)(?:u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*|[0-3][0-7]{2}(?:\\[0-3][0-7]{2})*"
    r"|[nrtbfv\"'/\\])"
    r"|(?<=&)(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}

_Span: TypeAlias = tuple[int, int]


class _Needle(NamedTuple):
    """A text to look for. `is_encoded` is false for a secret as it is; `is_credential` has no exceptions."""

    is_encoded: bool
    is_credential: bool


@dataclass(slots=True)
class _Anchor:
    """Needles with one gram. `whole` are offsets of the gram and lengths of needles, `parts` are places in long texts.

    Both lists only grow, so that another thread can read them meanwhile.
    """

    whole: list[tuple[int, int]] = field(default_factory=list)
    parts: list[tuple[str, int, _Needle]] = field(default_factory=list)


class _Match(NamedTuple):
    start: int
    end: int
    needle: _Needle


class _Index:
    """Index of needles by their grams: a search costs the length of the text, however many needles there are."""

    def __init__(self) -> None:
        self._needles: dict[str, _Needle] = {}
        self._anchors: dict[int, _Anchor] = {}

    def add_whole(self, text: str, needle: _Needle) -> None:
        """Add a needle that is found as a whole."""
        known = self._needles.get(text)
        if known is not None:
            # Of two secrets with one text, the secret with fewer exceptions counts.
            self._needles[text] = _Needle(
                known.is_encoded or needle.is_encoded, known.is_credential or needle.is_credential
            )
            return
        self._needles[text] = needle
        for offset, gram in enumerate(_iterate_grams(text[: 2 * _GRAM - 1], 1)):
            whole = self._get_anchor(gram).whole
            if (offset, len(text)) not in whole:
                whole.append((offset, len(text)))

    def add_parts(self, text: str, needle: _Needle) -> None:
        """Add a long text of which each run is found."""
        for number, gram in enumerate(_iterate_grams(text, _PART_STEP)):
            parts = self._get_anchor(gram).parts
            if len(parts) < _MAX_PARTS:
                parts.append((text, number * _PART_STEP, needle))

    def find(self, text: str) -> list[_Match]:
        """Find all needles. Matches may overlap."""
        grams = _split_grams(text)
        # Every step of this line runs in C: it sees all of a plan.
        places = list(compress(count(), map(self._anchors.__contains__, grams)))
        return self._verify(text, grams, places) if places else []

    def _verify(self, text: str, grams: memoryview, places: Iterable[int]) -> list[_Match]:
        found: list[_Match] = []
        covered = 0
        for number in places:
            position, anchor = number * _GRAM, self._anchors[grams[number]]
            for offset, length in anchor.whole:
                start = position - offset
                needle = self._needles.get(text[start : start + length]) if start >= 0 else None
                # At the end of the text, the slice may be another, shorter needle.
                if needle is not None and start + length <= len(text):
                    found.append(_Match(start, start + length, needle))
            if position + _GRAM <= covered:
                continue
            for long_text, place, needle in anchor.parts:
                start, end = _extend(text, position, long_text, place)
                if end - start >= MIN_RUN:
                    found.append(_Match(start, end, needle))
                    covered = max(covered, end)
        return found

    def _get_anchor(self, gram: int) -> _Anchor:
        anchor = self._anchors.get(gram)
        if anchor is None:
            anchor = self._anchors[gram] = _Anchor()
        return anchor


def _to_bytes(text: str) -> bytes:
    """One byte for each character. Characters beyond the first 256 collide, so each hit is verified."""
    return text.encode("latin-1", "replace")


def _split_grams(text: str) -> memoryview:
    """Split a text into grams, each of them one number. A rest at the end is left out."""
    data = _to_bytes(text)
    return memoryview(data)[: len(data) // _GRAM * _GRAM].cast("I")


def _iterate_grams(text: str, step: int) -> Iterator[int]:
    data = _to_bytes(text)
    for place in range(0, len(data) - _GRAM + 1, step):
        yield int.from_bytes(data[place : place + _GRAM], sys.byteorder)


def _extend(text: str, position: int, long_text: str, place: int) -> _Span:
    """Extend a common gram to the longest run that two texts have in common."""
    back, limit = 0, min(position, place)
    while back < limit and text[position - back - 1] == long_text[place - back - 1]:
        back += 1
    ahead, limit = _GRAM, min(len(text) - position, len(long_text) - place)
    while ahead < limit and text[position + ahead] == long_text[place + ahead]:
        ahead += 1
    return position - back, position + ahead


class Redactor:
    """The secrets that a run knows, and their redaction. Safe to share between threads.

    Secrets may be added at any time; texts are searched for the secrets that are known by then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[tuple[str, bool]] = set()
        self._pending: list[tuple[str, bool]] = []
        self._plain = _Index()
        self._unbroken = _Index()
        self._kept_escapes: tuple[str, ...] = ("",)
        self._public: list[Callable[[], Iterable[str]]] = []
        self._public_text: str | None = None
        self._is_public: dict[str, bool] = {}

    def __repr__(self) -> str:
        return "Redactor(…)"

    def add(self, secret: Any, *, is_credential: bool = False) -> None:
        """Add a secret: a text, or every text inside a mapping or list.

        A credential of this program is redacted even if the specs hold the same text.
        """
        for text in _iterate_secret_texts(secret):
            if len(text) >= MIN_LENGTH and (text, is_credential) not in self._known:
                with self._lock:
                    self._known.add((text, is_credential))
                    self._pending.append((text, is_credential))

    def add_public(self, read: Callable[[], Iterable[str]]) -> None:
        """Add public texts of the project. They are read once, and only if a secret is found at all."""
        with self._lock:
            self._public.append(read)
            self._public_text = None
            self._is_public.clear()

    def redact(self, text: str) -> str:
        """Replace every known secret in a text."""
        if self._pending:
            self._index_pending()
        if not self._known or len(text) < MIN_LENGTH:
            return text
        if len(text) > _MAX_WHOLE_LENGTH and not self._holds_secret_line(text):
            return text
        spans = sorted(self._find_spans(text))
        if not spans:
            return text
        parts: list[str] = []
        end = 0
        for span_start, span_end in _merge(spans):
            parts += (text[end:span_start], MASKED_IN_OUTPUT)
            end = span_end
        return "".join((*parts, text[end:]))

    def redact_all(self, value: Any) -> Any:
        """Replace every known secret in the texts inside a value, keys included."""
        match value:
            case str():
                return self.redact(value)
            case Mapping():
                return {self.redact_all(key): self.redact_all(child) for key, child in value.items()}
            case list():
                return [self.redact_all(child) for child in value]
            case tuple() if type(value) is tuple:
                return tuple(map(self.redact_all, value))
        return value

    def _holds_secret_line(self, text: str) -> bool:
        """Whether a long text can hold a secret. A long document repeats most of its lines, and a secret that is spread
        over lines is found by each of its lines."""
        unique_lines = "\n".join(dict.fromkeys(text.split("\n")))
        return any(True for _ in self._find_spans(unique_lines))

    def _find_spans(self, text: str) -> Iterator[_Span]:
        """Find the places of secrets in a text, in each round of decoding its escapes.

        A secret may hold escapes itself, such as `%00`. Decoded with the escapes around it, it would be another text,
        so the text is also decoded without the kinds of escapes that secrets hold.
        """
        yield from self._find_in_view(text)
        for kept in self._kept_escapes:
            yield from self._find_in_decoded(text, kept)

    def _find_in_decoded(self, text: str, kept: str) -> Iterator[_Span]:
        decoded, rounds = text, list[_Decoding]()
        for _ in range(_MAX_ROUNDS):
            decoding = _decode_escapes(decoded, kept)
            if not decoding.escapes:
                return
            decoded = decoding.text
            rounds.append(decoding)
            for span in self._find_in_view(decoded):
                yield reduce(lambda place, each: each.to_source(place), reversed(rounds), span)

    def _find_in_view(self, view: str) -> Iterator[_Span]:
        folded = _fold(view)
        for match in self._plain.find(folded):
            if self._is_accepted(folded, match):
                yield _widen(folded, match)
        unbroken = folded.replace("+", "")
        matches = self._unbroken.find(unbroken)
        if matches:
            places = [place for place, character in enumerate(folded) if character != "+"]
            for match in matches:
                if self._is_accepted(unbroken, match):
                    start, end = places[match.start], places[match.end - 1] + 1
                    yield _widen(folded, _Match(start, end, match.needle))

    def _is_accepted(self, text: str, match: _Match) -> bool:
        needle = match.needle
        has_exceptions = not (needle.is_encoded or needle.is_credential)
        return not (has_exceptions and self._holds_publicly(text[match.start : match.end]))

    def _holds_publicly(self, folded: str) -> bool:
        """Whether the public texts of the project hold a text."""
        is_public = self._is_public.get(folded)
        if is_public is None:
            if self._public_text is None:
                self._public_text = "\n".join(_fold(text) for read in self._public for text in read())
                self._public_text += "\n" + self._public_text.replace("+", "")
            # Only texts that are secrets get here, so the cache stays small.
            is_public = self._is_public[folded] = folded in self._public_text
        return is_public

    def _index_pending(self) -> None:
        with self._lock:
            for secret, is_credential in self._pending:
                self._index(secret, is_credential)
            # Only now: another thread that finds this list empty relies on a complete index.
            self._pending = []

    def _index(self, secret: str, is_credential: bool) -> None:
        raw, encoded = _Needle(False, is_credential), _Needle(True, is_credential)
        kinds = {*self._kept_escapes[-1], *(match[0][0] for match in _ESCAPE.finditer(secret))}
        self._kept_escapes = tuple(_list_subsets(sorted(kinds)))
        # Of a document, only its secret members are redacted line by line and in part.
        has_lines = "\n" in secret.strip() and _parse_document(secret) is None
        parts = [secret, secret.strip(), _decode_fully(secret)]
        parts += _list_long_lines(secret) if has_lines else []
        for text in dict.fromkeys(parts):
            if not _is_ordinary(text):
                self._add_needle(_fold(text), raw)
            for form in _iterate_encodings(text):
                self._add_needle(_fold(form), encoded)
        if has_lines or (len(secret) >= _MIN_TOKEN_LENGTH and _TOKEN.fullmatch(secret)):
            start = secret[:_MAX_PARTS_LENGTH]
            self._unbroken.add_parts(_fold(_MARKER.sub("", start)).replace("+", ""), raw)
            for form in _iterate_encodings(start):
                self._unbroken.add_parts(_fold(form).replace("+", ""), encoded)

    def _add_needle(self, folded: str, needle: _Needle) -> None:
        if len(folded) >= MIN_LENGTH:
            self._plain.add_whole(folded, needle)
        unbroken = folded.replace("+", "")
        if len(unbroken) >= MIN_UNBROKEN_LENGTH:
            self._unbroken.add_whole(unbroken, needle)


def _iterate_secret_texts(value: Any) -> Iterator[str]:
    """Yield every text of a secret. Of a JSON document, also the members that are secrets by their names or lines."""
    match value:
        case str():
            yield value
            document = _parse_document(value)
            if document is not None:
                yield from _iterate_secret_members(document)
        case Mapping():
            for child in value.values():
                yield from _iterate_secret_texts(child)
        case list() | tuple():
            for child in value:
                yield from _iterate_secret_texts(child)


def _parse_document(text: str) -> Any:
    """Parse a JSON object. Other members than its secrets, such as a project, may be public elsewhere."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _iterate_secret_members(document: Any) -> Iterator[str]:
    match document:
        case dict():
            for name, member in document.items():
                if isinstance(member, str):
                    if _SECRET_MEMBER.search(name) or "\n" in member.strip():
                        yield member
                else:
                    yield from _iterate_secret_members(member)
        case list():
            for member in document:
                yield from _iterate_secret_members(member)


def _is_ordinary(text: str) -> bool:
    return len(text) < MIN_WORD_LENGTH and _WORD_OR_NUMBER.fullmatch(text) is not None


def _list_long_lines(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= MIN_LINE_LENGTH and not _MARKER.fullmatch(line)]


def _iterate_encodings(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    yield data.hex()
    for offset in range(3):
        # Only the characters that share no bit with a neighbour.
        first, last = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
        yield b64encode(b"\0" * offset + data)[first:last].decode("ascii")


def _fold(text: str) -> str:
    """Fold the differences between harmless variants, and keep the length.

    Letters become lower case. White space, `-` and `+` are one character, since forms encode a space as `+` and base64
    has two alphabets; `/` and `_` are another.
    """
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(_fold_character(character) for character in text)
    for character in " -\n\r\t":
        lower = lower.replace(character, "+")
    return lower.replace("_", "/")


def _fold_character(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


def _widen(text: str, match: _Match) -> _Span:
    """Widen a match of base64 by the padding, and by a character on each side that holds bits of the secret."""
    start, end, needle = match
    if not needle.is_encoded:
        return start, end
    if start > 0 and text[start - 1].isalnum():
        start -= 1
    if end < len(text) and text[end].isalnum():
        end += 1
    while end < len(text) and text[end] == "=":
        end += 1
    return start, end


def _merge(spans: Iterable[_Span]) -> Iterator[_Span]:
    """Merge sorted spans that touch."""
    start, end = -1, -1
    for span_start, span_end in spans:
        if span_start > end:
            if end >= 0:
                yield start, end
            start, end = span_start, span_end
        else:
            end = max(end, span_end)
    if end >= 0:
        yield start, end


@dataclass(frozen=True, slots=True)
class _Decoding:
    """A text with its escapes decoded. `escapes` are the places of each escape: here and in the source."""

    text: str
    escapes: list[tuple[int, int, int, int]]
    starts: list[int]

    def to_source(self, span: _Span) -> _Span:
        """Map a span to the source. An escape belongs to the span as a whole."""
        return self._map(span[0], at_end=False), self._map(span[1] - 1, at_end=True)

    def _map(self, place: int, *, at_end: bool) -> int:
        number = bisect_right(self.starts, place) - 1
        if number < 0:
            return place + at_end
        _, end, source_start, source_end = self.escapes[number]
        if place < end:
            return source_end if at_end else source_start
        return source_end + place - end + at_end


def _list_subsets(kinds: Sequence[str]) -> Iterator[str]:
    """List the subsets of kinds of escapes, from none to all."""
    for size in range(len(kinds) + 1):
        yield from map("".join, combinations(kinds, size))


def _decode_escapes(text: str, kept: str = "") -> _Decoding:
    """Decode the escapes of a text, one round. Escapes that begin with a character of `kept` stay."""
    parts: list[str] = []
    escapes: list[tuple[int, int, int, int]] = []
    source_end = length = 0
    if "\\" in text or "%" in text or "&" in text:
        for match in _ESCAPE.finditer(text):
            decoded = _decode_escape(match[0])
            if not decoded or decoded == match[0] or match[0][0] in kept:
                continue
            parts += (text[source_end : match.start()], decoded)
            length += match.start() - source_end
            source_end = match.end()
            escapes.append((length, length + len(decoded), match.start(), source_end))
            length += len(decoded)
    return _Decoding("".join((*parts, text[source_end:])), escapes, [escape[0] for escape in escapes])


def _decode_escape(escape: str) -> str:
    kind = escape[:2]
    if escape[0] == "%":
        return unquote(escape, errors="surrogateescape")
    if escape[0] == "&":
        return html.unescape(escape)
    if kind == "\\x":
        return _decode_bytes(bytes.fromhex(escape.replace("\\x", "")))
    if kind[1].isdigit():
        return _decode_bytes(bytes(int(octal, 8) for octal in escape.split("\\")[1:]))
    if kind in {"\\u", "\\U"}:
        return _decode_code_units(escape)
    return _SIMPLE_ESCAPES.get(kind[1], kind[1])


def _decode_bytes(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _decode_code_units(escape: str) -> str:
    if escape[1] == "U":
        number = int(escape[2:], 16)
        return chr(number) if number < 0x110000 else ""
    units = [int(unit, 16) for unit in escape.split("\\u")[1:]]
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "surrogatepass")


def _decode_fully(text: str) -> str:
    """Decode escapes until none is left: a secret that holds escapes itself is found in a decoded text too."""
    for _ in range(_MAX_ROUNDS):
        decoded = _decode_escapes(text).text
        if decoded == text:
            break
        text = decoded
    return text
