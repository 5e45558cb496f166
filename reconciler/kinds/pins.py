"""Parse the pins of specs, compare them with the identities of servers, and format their hashes for people.

Messages repeat nothing of a pin but the name of a key's type: a text in the wrong place may be a secret.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import md5, sha1, sha256

from reconciler.model.suggestions import did_you_mean
from reconciler.model.trust import ServerIdentity, ServerKind

PRIVATE_KEY_ADVICE = (
    "remove it from the repository; if it was ever committed, the key may be compromised: replace it"
)
FINGERPRINTS_ADVICE = "pin the keys of SSH hosts below `fingerprints:`"

_PARTS_BY_TYPE = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ssh-dss": 5,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""Types of host keys, each with the number of parts of a key, the name of the type among them."""

_ALGORITHMS = {16: "MD5", 20: "SHA-1", 32: "SHA-256"}
"""Hash algorithms by the length of their hashes, in bytes."""

_PREFIX = re.compile(r"(md5|sha-?1|sha-?256)(?: fingerprint)?[:=]\s*", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"[0-9a-f]+|[0-9a-f]{2}(?::[0-9a-f]{2})+", re.IGNORECASE)
_BASE64 = re.compile(r"([A-Za-z0-9+/_-]+)(={0,2})")
_BASE64_LENGTHS = {22, 27, 43}  # of an MD5, a SHA-1 and a SHA-256, without padding
_PRIVATE_KEY = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File")
_PRIVATE_KEY_BYTES = re.compile(
    rb"openssh-key-v1\0|\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01][\x02\x04\x30]", re.DOTALL
)
_PATH = re.compile(r"(?:\.{1,2}|~)/.*|.+\.[A-Za-z][A-Za-z0-9]{1,7}")
_TYPE_NAME = re.compile(r"[a-z0-9]{1,12}(?:-[a-z0-9]{1,12}){1,3}(?:@[a-z.]{1,16})?")
_MAX_TYPE_LENGTH = 40

_CERTIFICATE_ADVICE = (
    "write the SHA-256 of the certificate in base64 or hexadecimal digits, or name its file: `{pem: PATH}`"
)
_PEM_ADVICE = "keep the certificate in a file and name the file: `{pem: PATH}`"
_KEY_ADVICE = "pin the key itself, as `ssh-keyscan` prints it: `ssh-ed25519 AAAA…`"


class PinError(Exception):
    """Text or file that pins no server. `message` says why, `advice` what to do next."""

    def __init__(self, message: str, advice: str) -> None:
        self.message = message
        self.advice = advice
        super().__init__(message)


def parse_certificate_hash(text: str) -> ServerIdentity:
    """Parse the SHA-256 of a certificate, in base64 or hexadecimal digits.

    Accepts base64 with or without padding, of either alphabet, also after `SHA256:`, and 64 hexadecimal digits with or
    without colons, also as `openssl` prints them. Raises PinError for any other text.
    """
    text = text.strip()
    _refuse_private_key(text)
    algorithm, raw = _split_hash(text)
    if len(raw) == 32 and algorithm in {"", "SHA-256"}:
        return ServerIdentity(ServerKind.CERTIFICATE, hash=encode_base64(raw))
    raise _explain_certificate_hash(text, algorithm, raw)


def parse_host_key_pin(text: str) -> ServerIdentity:
    """Parse the public key of an SSH host, or a hash of it.

    Accepts a key as a line of `ssh-keyscan`, `known_hosts` or a `.pub` file, and an MD5, SHA-1 or SHA-256 in
    hexadecimal digits or base64. The identity has either `public_key` or `hash`, the latter in padded base64. Raises
    PinError for any other text.
    """
    _refuse_private_key(text)
    line = _choose_line(text)
    algorithm, raw = _split_hash(line)
    length_algorithm = _ALGORITHMS.get(len(raw))
    if length_algorithm and algorithm in {"", length_algorithm}:
        return ServerIdentity(ServerKind.FINGERPRINT, hash=encode_base64(raw))
    words = line.split()
    place = next((index for index, word in enumerate(words[:2]) if word in _PARTS_BY_TYPE), None)
    if place is None or line.startswith("@"):
        raise _explain_host_key_pin(words, algorithm, raw)
    encoded = words[place + 1] if place + 1 < len(words) else ""
    return ServerIdentity(ServerKind.FINGERPRINT, public_key=_parse_key(words[place], encoded))


def get_key_blob(public_key: str) -> bytes:
    """Return the bytes of a host key in a line of any source, without type and comment; b"" if the line has no key."""
    words = public_key.split()
    for before, word in zip(["", *words], words, strict=False):
        raw = decode_base64(word)
        name = _read_type(raw)
        if name and (name == before or name in _PARTS_BY_TYPE):
            return raw
    return b""


def matches_key(pin: ServerIdentity, key: ServerIdentity) -> bool:
    """Return whether a pin means a host key that a setup test met or that the API lists.

    The API may show a hash, whose algorithm it does not tell, a key, or both.
    """
    if pin.kind is not ServerKind.FINGERPRINT or key.kind is not ServerKind.FINGERPRINT:
        return False
    pinned, blob = get_key_blob(pin.public_key), get_key_blob(key.public_key)
    if pinned:
        # Without a key, the server's hash is all there is to compare.
        return pinned == blob if blob else _decode_hash(key.hash) in _compute_digests(pinned)
    return _matches_hash(pin, key) or _matches_digest(pin, blob)


def differs_from_server(pin: ServerIdentity, key: ServerIdentity) -> bool:
    """Return whether a pinned hash fits only one of the two facts of a host key: the key or the hash of the API.

    False if one of the facts is unknown, and for a pin that is no hash.
    """
    blob = get_key_blob(key.public_key)
    if not (blob and key.hash and pin.hash) or pin.public_key:
        return False
    return _matches_hash(pin, key) != _matches_digest(pin, blob)


def format_hash_forms(identity: ServerIdentity) -> tuple[str, ...]:
    """Format the hash of a server as other programs show it, for comparison by people.

    A certificate has base64 and the form of `openssl x509 -fingerprint -sha256` (`AB:CD…`). A host key has the hash of
    the API and the form of `ssh-keygen -l` (`SHA256:…`), as far as they are known.
    """
    if identity.kind is ServerKind.CERTIFICATE:
        shown = identity.hash or _compute_certificate_hash(identity)
        forms = [shown, _decode_hash(shown).hex(":").upper()]
    else:
        blob = get_key_blob(identity.public_key)
        digest = encode_base64(sha256(blob).digest()).rstrip("=")
        forms = [identity.hash, f"SHA256:{digest}" if blob else ""]
    return tuple(dict.fromkeys(filter(None, forms)))


def format_main_hash(identity: ServerIdentity) -> str:
    """Format the hash by which people compare a server: of a certificate the hash that Fivetran shows, of a host key
    the form of `ssh-keygen -l`, whatever hash Fivetran shows. Empty if it is unknown."""
    forms = format_hash_forms(identity) or ("",)
    return forms[0 if identity.kind is ServerKind.CERTIFICATE else -1]


def describe_facts(identity: ServerIdentity) -> str:
    """Describe what is known of a server besides its hash and its key: `CN=db, issued by CN=Root, expires …`; empty if
    that is nothing."""
    facts = [identity.subject] if identity.subject else []
    facts += [f"issued by {identity.issuer}"] if identity.issuer not in {"", identity.subject} else []
    facts += [f"expires {identity.expires}"] if identity.expires else []
    return ", ".join(facts)


def find_wrong_hash(identity: ServerIdentity) -> str | None:
    """Find out whether the hash of a certificate is wrong. Returns the right hash if so.

    None if the hash is right, and if hash or certificate is unknown.
    """
    computed = _compute_certificate_hash(identity)
    if not computed or not identity.hash or _decode_hash(identity.hash) == _decode_hash(computed):
        return None
    return computed


def holds_private_key(text: str) -> bool:
    """Return whether a text holds a private key: in PEM form, in the form of PuTTY, or as bare base64."""
    return bool(_PRIVATE_KEY.search(text)) or is_private_key(decode_base64("".join(text.split())))


def is_private_key(raw: bytes) -> bool:
    """Return whether bytes begin like a private key of OpenSSH or in DER."""
    return len(raw) > max(_ALGORITHMS) and bool(_PRIVATE_KEY_BYTES.match(raw))


def holds_host_key(text: str) -> bool:
    """Return whether a text holds the public key of an SSH host, or begins like one."""
    words = text.split()
    return bool(get_key_blob(text)) or any(word in _PARTS_BY_TYPE for word in words[:2])


def decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without padding; b"" if the text is none."""
    match = _BASE64.fullmatch(text)
    if match is None:
        return b""
    digits, padding = match.groups()
    missing = -len(digits) % 4
    if missing == 3 or len(padding) not in {0, missing}:
        return b""
    return b64decode(digits.translate(str.maketrans("-_", "+/")) + "=" * missing)


def encode_base64(raw: bytes) -> str:
    """Encode bytes as padded base64 of the standard alphabet, on one line."""
    return b64encode(raw).decode()


def _refuse_private_key(text: str) -> None:
    if holds_private_key(text):
        raise PinError("the text is a private key", PRIVATE_KEY_ADVICE)


def _split_hash(text: str) -> tuple[str, bytes]:
    """Split a hash into the algorithm that the text names, or "", and the bytes; b"" if the text is no hash."""
    prefix = _PREFIX.match(text)
    algorithm = prefix[1].upper().replace("-", "").replace("SHA", "SHA-") if prefix else ""
    digits = text[prefix.end() :] if prefix else text
    # Hexadecimal digits are base64 as well, but hardly ever as many as a hash has.
    if _HEX.fullmatch(digits) and len(digits) not in _BASE64_LENGTHS:
        digits = digits.replace(":", "")
        return algorithm, b"" if len(digits) % 2 else bytes.fromhex(digits)
    return algorithm, decode_base64(digits)


def _decode_hash(text: str) -> bytes:
    return _split_hash(text.strip())[1]


def _explain_certificate_hash(text: str, algorithm: str, raw: bytes) -> PinError:
    """Explain why a text is no hash of a certificate."""
    found = algorithm if algorithm in {"MD5", "SHA-1"} else "" if algorithm else _ALGORITHMS.get(len(raw))
    if (message_and_advice := _recognise(text, raw)) is not None:
        return PinError(*message_and_advice)
    if found:
        message = f"the hash is the {found} of a certificate; Fivetran identifies certificates by SHA-256"
    elif raw:
        message = f"the hash has {_count_bytes(raw)}, a SHA-256 has 32"
    else:
        message = "the text is no SHA-256 in base64 or hexadecimal digits"
    return PinError(message, _CERTIFICATE_ADVICE)


def _recognise(text: str, raw: bytes) -> tuple[str, str] | None:
    """Recognise a text that is something else than a hash. Returns message and advice; None for an unknown text."""
    if not text:
        return "the hash of the certificate is empty", _CERTIFICATE_ADVICE
    if "-----BEGIN" in text or _resembles_certificate(raw):
        return "the text is a certificate or a key instead of the hash of a certificate", _PEM_ADVICE
    if holds_host_key(text):
        return "the text is the key of an SSH host, no hash of a certificate", FINGERPRINTS_ADVICE
    if _PATH.fullmatch(text):
        return "the text is a path instead of the hash of a certificate", "write it as `{pem: PATH}`"
    return None


def _resembles_certificate(raw: bytes) -> bool:
    """Return whether bytes begin like a certificate in DER: a long sequence that begins with another one."""
    return raw[:2] == b"\x30\x82" and raw[4:5] == b"\x30"


def _choose_line(text: str) -> str:
    """Choose the only line of a text that is no comment. Raises PinError for several lines, and for other files."""
    if "-----BEGIN" in text or "---- BEGIN" in text:
        is_certificate = "CERTIFICATE" in text
        advice = f"pin certificates below `certificates:`: {_PEM_ADVICE}" if is_certificate else _KEY_ADVICE
        raise PinError("the text is a block of PEM, no line with a key", advice)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise PinError("the pin of the host key is empty", _KEY_ADVICE)
    if len(lines) > 1:
        raise PinError(f"the text has {len(lines)} lines, a host key has one", "pin each key on its own")
    return lines[0]


def _explain_host_key_pin(words: list[str], algorithm: str, raw: bytes) -> PinError:
    """Explain why a line is neither a host key nor a hash of one."""
    if words[0].startswith("@"):
        marker = words[0] if words[0] in {"@cert-authority", "@revoked"} else "@…"
        return PinError(f"lines of `known_hosts` with a marker such as `{marker}` pin no key", _KEY_ADVICE)
    if (name := _read_type(raw)) in _PARTS_BY_TYPE:
        return PinError("the key lacks its type", f"write `{name}` and a blank before it")
    key = next((index for index, word in enumerate(words[:3]) if index and word.startswith("AAAA")), None)
    if key is not None:
        return _explain_type(words[key - 1])
    if algorithm and raw:
        expected = next(length for length, name in _ALGORITHMS.items() if name == algorithm)
        return PinError(
            f"the hash has {_count_bytes(raw)}, {_add_article(algorithm)} has {expected}", _KEY_ADVICE
        )
    if raw:
        lengths = "an MD5 has 16, a SHA-1 20 and a SHA-256 32"
        return PinError(f"the hash has {_count_bytes(raw)}; {lengths}", _KEY_ADVICE)
    return PinError("the text is neither a host key nor the hash of one", _KEY_ADVICE)


def _explain_type(name: str) -> PinError:
    """Explain that a key has an unknown type. Repeats the type only if it looks like one."""
    if "-cert-v0" in name:
        return PinError("the text is an SSH certificate of a host instead of its key", _KEY_ADVICE)
    is_name = len(name) <= _MAX_TYPE_LENGTH and _TYPE_NAME.fullmatch(name)
    message = f"unknown type of host key `{name}`" if is_name else "the type of the host key is unknown"
    known = f"known types are {', '.join(_PARTS_BY_TYPE)}"
    return PinError(message, did_you_mean(name, _PARTS_BY_TYPE) or known)


def _parse_key(kind: str, encoded: str) -> str:
    """Parse the key behind its type. Returns `TYPE BASE64`. Raises PinError for a damaged key."""
    blob = decode_base64(encoded)
    name, parts = _read_type(blob), _split_blob(blob)
    if name != kind and name in _PARTS_BY_TYPE:
        message = f"the line says `{kind}`, but its key has the type `{name}`"
        raise PinError(message, f"copy the whole line again: {_KEY_ADVICE}")
    if not encoded:
        raise PinError(f"`{kind}` has no key behind it", _KEY_ADVICE)
    if name != kind or len(parts) != _PARTS_BY_TYPE[kind] or not all(parts):
        message = f"the `{kind}` key is damaged or not complete"
        raise PinError(message, f"copy the whole line again: {_KEY_ADVICE}")
    return f"{kind} {encode_base64(blob)}"


def _read_type(blob: bytes) -> str:
    """Read the name of the type that a host key begins with; empty if the bytes are no key."""
    name = blob[4 : 4 + int.from_bytes(blob[:4])]
    is_whole = len(name) == int.from_bytes(blob[:4])
    return name.decode() if is_whole and name.isascii() else ""


def _split_blob(blob: bytes) -> list[bytes]:
    """Split a host key into its parts, each of which follows its length in four bytes; empty if a part is cut off."""
    parts, start = [], 0
    while start < len(blob):
        start, length = start + 4, int.from_bytes(blob[start : start + 4])
        if start + length > len(blob):
            return []
        parts.append(blob[start : start + length])
        start += length
    return parts


def _matches_hash(pin: ServerIdentity, key: ServerIdentity) -> bool:
    """Return whether a pinned hash is the hash of the API, in the same or in another form."""
    if not pin.hash or not key.hash:
        return False
    raw = _decode_hash(pin.hash)
    return pin.hash == key.hash or (raw != b"" and raw == _decode_hash(key.hash))


def _matches_digest(pin: ServerIdentity, blob: bytes) -> bool:
    return blob != b"" and _decode_hash(pin.hash) in _compute_digests(blob)


def _compute_digests(blob: bytes) -> tuple[bytes, ...]:
    """Compute the hashes by which people pin a host key: SHA-256, and the older SHA-1 and MD5."""
    old = (algorithm(blob, usedforsecurity=False).digest() for algorithm in (sha1, md5))
    return (sha256(blob).digest(), *old)


def _compute_certificate_hash(identity: ServerIdentity) -> str:
    """Compute the hash of a known certificate; empty if the certificate is unknown, and for a host key."""
    raw = decode_base64(identity.certificate)
    return encode_base64(sha256(raw).digest()) if raw and identity.kind is ServerKind.CERTIFICATE else ""


def _count_bytes(raw: bytes) -> str:
    return "1 byte" if len(raw) == 1 else f"{len(raw)} bytes"


def _add_article(algorithm: str) -> str:
    return f"an {algorithm}" if algorithm == "MD5" else f"a {algorithm}"
