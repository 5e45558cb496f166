"""The few rules of DER that certificates need: tag, length, content."""

from __future__ import annotations

SEQUENCE = 0x30
SET = 0x31
INTEGER = 0x02
BIT_STRING = 0x03
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
UTC_TIME = 0x17
UTF16_STRING = 0x1E
CONTEXT_0 = 0xA0

Element = tuple[int, bytes]


def elements(data: bytes) -> list[Element]:
    """Tag and content of everything that stands in a row. ValueError where the data is no DER."""
    found: list[Element] = []
    rest = memoryview(data)
    while rest:
        if len(rest) < 2 or rest[0] & 0x1F == 0x1F:  # long tags occur in no certificate
            raise ValueError("no DER")
        size, start = rest[1], 2
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(rest[2:start])
        if start > len(rest) - size:
            raise ValueError("shorter than it says")
        found.append((rest[0], bytes(rest[start : start + size])))
        rest = rest[start + size :]
    return found


def content(element: Element, tag: int) -> bytes:
    """The content of an element that must have a tag. ValueError where it has another one."""
    if element[0] != tag:
        raise ValueError(f"tag {element[0]:#x} where {tag:#x} belongs")
    return element[1]


def dotted(identifier: bytes) -> str:
    """An object identifier in its usual form."""
    numbers = [0]
    for byte in identifier:
        numbers[-1] = numbers[-1] << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(0)
    first, *others = numbers[:-1] or [0]
    return ".".join(map(str, (min(first // 40, 2), first - 40 * min(first // 40, 2), *others)))


def element(tag: int, *parts: bytes) -> bytes:
    """One element of at most 65,535 bytes."""
    body = b"".join(parts)
    size = len(body)
    length = size.to_bytes(2 if size > 0xFF else 1)
    if size >= 0x80:
        length = bytes([0x80 | len(length)]) + length
    return bytes([tag]) + length + body


def integer(value: int) -> bytes:
    """A number that is not negative."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def object_identifier(text: str) -> bytes:
    """An object identifier from its dotted form."""
    first, second, *others = map(int, text.split("."))
    body = b""
    for number in (40 * first + second, *others):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return element(OBJECT_IDENTIFIER, body)
