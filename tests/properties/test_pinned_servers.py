"""Check pins in random hand-written spec files: every byte that is not added stays in its place."""

from __future__ import annotations

import random
from typing import Any

from handwritten_specs import write_handwritten_file
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project

from reconciler.emulator.key_material import generate_chain
from reconciler.importing.changed_files import write_changed_files
from reconciler.importing.pinning import plan_pins
from reconciler.kinds.certificates import read_der
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.resource import Desired
from reconciler.model.trust import ServerIdentity, ServerKind
from reconciler.spec.list_items import ItemAddition, append_item
from reconciler.spec.new_entry import QuotedText
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse
from reconciler.workspace.specs import Specs, load_specs

CERTIFICATE = read_der(generate_chain("a property")[0])
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
HOST_KEY = ServerIdentity(ServerKind.FINGERPRINT, "opaque", subject="bastion", public_key=f"{KEY} x")
OLD = "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
COMMENTS = ("# plain", "#no blank", '# "quotes" and {braces', "# key: value", "# ü ${X}", "# - item")


def is_subsequence(text: str, whole: str) -> bool:
    """Return whether all characters of a text stand in the whole in their order."""
    rest = iter(whole)
    return all(character in rest for character in text)


def trail(chance: random.Random) -> str:
    return chance.choice(["", "", f"  {chance.choice(COMMENTS)}"])


def comment_lines(chance: random.Random, indent: int) -> list[str]:
    return [f"{' ' * indent}{chance.choice(COMMENTS)}"] if chance.random() < 0.25 else []


def write_list(chance: random.Random, indent: int, kind: str, old: str) -> list[str]:
    """Write the pins of a kind in one of many styles, below `trust:`."""
    blanks = " " * indent
    style = chance.choice(["none", "flow", "lines", "block", "block", "flush"])
    if style == "none":
        return [f"{blanks}{kind}: none{trail(chance)}"]
    if style == "flow":
        return [f"{blanks}{kind}: [{chance.choice(['', ' '])}'{old}']{trail(chance)}"]
    if style == "lines":
        comma = chance.choice(["", ","])
        return [
            f"{blanks}{kind}: [{trail(chance)}",
            f"{blanks}  '{old}'{comma}{trail(chance)}",
            f"{blanks}]{trail(chance)}",
        ]
    step = 0 if style == "flush" else chance.choice([1, 2, 4])
    return [
        f"{blanks}{kind}:{trail(chance)}",
        *comment_lines(chance, indent + step),
        f'{blanks}{" " * step}- "{old}"{trail(chance)}',
        *comment_lines(chance, indent + step),
    ]


def write_trust(chance: random.Random, indent: int) -> list[str]:
    """Write a `trust:` block in one of many styles, or none."""
    blanks = " " * indent
    kinds = {"certificates": OLD, "fingerprints": "MD5:00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f"}
    chosen = [kind for kind in kinds if chance.random() < 0.6]
    match chance.choice(["absent", "flow", "block", "block", "block"]):
        case "flow" if chosen:
            pins = ", ".join(f"{kind}: ['{kinds[kind]}']" for kind in chosen)
            return [f"{blanks}trust: {{{pins}}}{trail(chance)}"]
        case "block" if chosen:
            lines = [f"{blanks}trust:{trail(chance)}"]
            for kind in chosen:
                lines += [
                    *comment_lines(chance, indent + 2),
                    *write_list(chance, indent + 2, kind, kinds[kind]),
                ]
            return lines
    return []


CONFIG = (
    "{host: db, port: 5432, user: u, database: d, connection_type: SshTunnel, tunnel_host: b, tunnel_port: 22,"
    " tunnel_user: u, always_encrypted: true, password: {secret: 'env:P'}}"
)


def write_file(chance: random.Random) -> str:
    """Write a valid file with entries `a`, `b` and `c`, some of them with a profile."""
    lines = [chance.choice(["---", "# Ours", ""]), f"version: 1{trail(chance)}"]
    lines += ["profiles:", "  tunnel:", "    service: postgres_warehouse", "    time_zone_offset: '0'"]
    lines += write_trust(chance, 4)
    lines.append(f"groups:{trail(chance)}")
    for key in "abc":
        lines += [*comment_lines(chance, 2), f"  {key}:{trail(chance)}", f"    destination:{trail(chance)}"]
        if chance.random() < 0.5:
            lines.append(f"      profile: tunnel{trail(chance)}")
        else:
            lines += ["      service: postgres_warehouse", '      time_zone_offset: "0"']
        settings = [write_trust(chance, 6), [f"      config: {CONFIG}{trail(chance)}"]]
        chance.shuffle(settings)
        lines += [line for part in settings for line in part]
    text = "\n".join(lines) + chance.choice(["\n", "", "\n\n", "\n# the end\n"])
    text = text.replace("\n", "\r\n") if chance.random() < 0.25 else text
    return ("\ufeff" if chance.random() < 0.15 else "") + text


def pin(project: InProcessProject, key: str, server: ServerIdentity) -> tuple[Desired, Specs, Specs]:
    """Pin a server. Returns the entry before, and the specs before and after."""
    settings = project.build_settings()
    before = load_specs(settings)
    [desired] = [entry for entry in before.destinations if entry.address.key == key]
    write_changed_files(plan_pins(settings, before, desired, [server]).files)
    return desired, before, load_specs(settings)


@check_examples(st.integers(0, 10**6), few=15, many=300)
def test_every_byte_of_a_hand_written_file_stays_beside_a_pin(seed: int) -> None:
    chance = random.Random(seed)
    text, server = write_file(chance), chance.choice([CERTIFICATE, HOST_KEY])
    key = chance.choice("abc")
    with open_project() as project:
        file = project.folder / "main.yaml"
        file.write_bytes(text.encode())
        desired, before, after = pin(project, key, server)
        written = file.read_bytes().decode()
    # Only `none` gives way to a list.
    removed = find_removed(text, written)
    assert removed in {"", "none"}, (removed, text, written)
    assert find_line_breaks(written) <= find_line_breaks(text) or "\n" not in text
    for entry in after.destinations:
        [former] = [each for each in before.destinations if each.address == entry.address]
        new = [each for each in entry.trust.pins if each not in former.trust.pins]
        assert {*former.trust.pins} <= {*entry.trust.pins}
        assert len(new) == (1 if entry.address == desired.address else 0)
        assert dict(entry.fields) == dict(former.fields)


def find_removed(text: str, written: str) -> str:
    """Find the text that is not there any more: empty, or the value `none`, which a list takes the place of."""
    if is_subsequence(text, written):
        return ""
    places = (place for place in range(len(text)) if text.startswith(" none", place))
    rests = (text[:place] + text[place + 5 :] for place in places)
    return "none" if any(is_subsequence(rest, written) for rest in rests) else text


def find_line_breaks(text: str) -> set[str]:
    return {
        "\r\n" if text[place - 1 : place] == "\r" else "\n" for place, sign in enumerate(text) if sign == "\n"
    }


def list_places(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List the paths of all lists below mappings, and of the trust that an entry could have."""
    places = []
    for name, below in data.items():
        if isinstance(below, list):
            places.append((*path, name))
        elif isinstance(below, dict):
            places += list_places(below, (*path, name))
            if name == "destination":
                places.append((*path, name, "trust", "certificates"))
    return places


def get(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def can_be_extended(text: str) -> bool:
    try:
        return bool(list_places(to_plain(parse(text.removeprefix("\ufeff"), "a.yaml"))))
    except ReconcilerError:
        return False


@check_examples(st.integers(0, 10**6), few=60, many=600)
def test_an_item_is_added_to_any_list_of_any_file(seed: int) -> None:
    text = write_handwritten_file(seed, can_be_extended)
    before = to_plain(parse(text.removeprefix("\ufeff"), "a.yaml"))
    path = random.Random(seed).choice(list_places(before))
    try:
        written = append_item(text, ItemAddition(path, QuotedText("NEW="), "CN=new"), "a.yaml")
    except ReconcilerError as error:
        assert [diagnostic.code for diagnostic in error.diagnostics] == ["not-editable"]
        return
    after = to_plain(parse(written.removeprefix("\ufeff"), "a.yaml"))
    assert get(after, path) == [*(get(before, path) or []), "NEW="]
    if "&a" not in text:  # an alias of a value that changes becomes a copy
        assert (
            is_subsequence(text, written) or " null" in text or "~" in text or "{}" in text or "[]" in text
        ), (
            text,
            written,
        )
    assert written.count("# CN=new") == 1
    assert written.startswith("\ufeff") == text.startswith("\ufeff")
