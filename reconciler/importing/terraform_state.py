"""Read the groups and destinations of a Terraform state, and the objects that use their ids. Keeps no attribute."""

from __future__ import annotations

import re
import stat
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from reconciler.importing.terraform_address import TerraformAddress
from reconciler.importing.terraform_documents import StateObject, parse_terraform_document
from reconciler.importing.terraform_options import TerraformOptions, read_options
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.sanitize import escape

STANDARD_INPUT = "-"

_MAX_BYTES = 256 * 1024 * 1024
_TYPES = {f"fivetran_{kind}": kind for kind in (GROUP, DESTINATION)}
_OUR_PROVIDER = re.compile(r"(?:[^/]+/)?(?:fivetran|-)/fivetran|fivetran")
_OPENTOFU = "registry.opentofu.org/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class TerraformObject:
    """Group or destination in a Terraform state, with the id of its group. `kind` is `group` or `destination`, and
    `service` and `options` are those of a destination."""

    address: TerraformAddress
    kind: str
    group_id: str
    service: str = ""
    options: TerraformOptions | None = None


@dataclass(frozen=True, slots=True)
class IdUse:
    """Use of ids by another object of a Terraform state, or by an output.

    `uses` are the group ids by attribute. `depends_on` are the resources that the block of the object refers to.
    """

    address: str
    uses: Mapping[str, frozenset[str]]
    depends_on: tuple[TerraformAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class TerraformState:
    """Facts of a Terraform state. `program` is `terraform` or `tofu`, `version` the version of the program.

    `groups` are the objects by group id, the destination first. `other_modules` are the module instances that hold
    other objects, themselves or in their modules.
    """

    shown: str
    program: str
    version: str
    objects: tuple[TerraformObject, ...]
    groups: Mapping[str, tuple[TerraformObject, ...]]
    uses: tuple[IdUse, ...] = ()
    other_modules: frozenset[str] = frozenset()

    def list_addresses(self, group_id: str) -> list[TerraformAddress]:
        """List the addresses of a destination and its group, the destination first."""
        return [item.address for item in self.groups[group_id]]

    def get_service(self, group_id: str) -> str:
        """Return the service of the destination of a group, empty without a destination."""
        return self.groups[group_id][0].service

    def get_options(self, group_id: str) -> TerraformOptions | None:
        """Return the options of the destination of a group; None without a destination."""
        return self.groups[group_id][0].options if group_id in self.groups else None


def read_terraform(file: str) -> TerraformState:
    """Read a state file, or `-` for standard input. Raises ReconcilerError."""
    if file == STANDARD_INPUT:
        return parse_terraform(_read_standard_input(), "standard input")
    return parse_terraform(_read_file(Path(file), file), file)


def parse_terraform(data: bytes, shown: str) -> TerraformState:
    """Parse a state of format 4 or the output of `terraform show -json`. Raises ReconcilerError."""
    document = parse_terraform_document(data, shown)
    ours = [item for item in document.objects if _is_ours(item)]
    others = [item for item in document.objects if not _is_ours(item)]
    objects = tuple(sorted(map(_to_terraform_object, ours), key=lambda item: str(item.address)))
    if not objects:
        raise ReconcilerError([_explain_nothing(document.objects, shown)])
    _refuse_shared_ids(objects, shown)
    groups: dict[str, tuple[TerraformObject, ...]] = defaultdict(tuple)
    for item in sorted(objects, key=lambda each: each.kind != DESTINATION):
        groups[item.group_id] += (item,)
    ids = frozenset(groups)
    resources = {str(item.address.resource): item.address.resource for item in objects}
    uses = [*_find_uses(others, ids, resources), *_find_outputs(document.outputs, ids)]
    return TerraformState(
        shown,
        "tofu" if any(item.provider.startswith(_OPENTOFU) for item in ours) else "terraform",
        document.version,
        objects,
        groups,
        tuple(uses),
        frozenset(
            module for item in others if not item.address.is_data for module in item.address.list_modules()
        ),
    )


def _read_standard_input() -> bytes:
    data = b"" if sys.stdin is None else sys.stdin.buffer.read(_MAX_BYTES + 1)
    return _limit(data, "standard input")


def _read_file(file: Path, shown: str) -> bytes:
    try:
        if file.is_dir():
            _refuse_file(shown, "it is a folder")
        if not stat.S_ISREG(file.stat().st_mode) and not stat.S_ISFIFO(file.stat().st_mode):
            _refuse_file(shown, "it is not a regular file")
        with file.open("rb") as stream:
            return _limit(stream.read(_MAX_BYTES + 1), shown)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        _refuse_file(shown, reason[:1].lower() + reason[1:])


def _refuse_file(shown: str, reason: str) -> NoReturn:
    advice = "name a state file, such as the result of `terraform state pull > copy.tfstate`"
    message = f"cannot read `{escape(shown)}`: {reason}"
    raise ReconcilerError([Diagnostic("file-unreadable", message, help=advice)]) from None


def _limit(data: bytes, shown: str) -> bytes:
    if len(data) > _MAX_BYTES:
        _refuse_file(shown, f"it is larger than {_MAX_BYTES // 1024 // 1024} MiB")
    return data


def _is_ours(item: StateObject) -> bool:
    is_pair = not item.address.is_data and item.address.type in _TYPES
    return is_pair and _OUR_PROVIDER.fullmatch(item.provider) is not None


def _to_terraform_object(item: StateObject) -> TerraformObject:
    if item.is_deposed:
        message = f"`{escape(str(item.address))}` has an object that a replacement has left over"
        advice = "finish the replacement first: `terraform apply`"
        raise ReconcilerError([Diagnostic("terraform-state-unusable", message, help=advice)])
    kind = _TYPES[item.address.type]
    names = ("group_id", "id") if kind == DESTINATION else ("id",)
    group_id = next((item.attributes[name] for name in names if item.attributes.get(name)), None)
    if not isinstance(group_id, str):
        message = f"`{escape(str(item.address))}` has no id in the state"
        advice = "finish the run of Terraform that creates it: `terraform apply`"
        raise ReconcilerError([Diagnostic("terraform-state-unusable", message, help=advice)])
    if kind == GROUP:
        return TerraformObject(item.address, kind, group_id)
    service = item.attributes.get("service")
    options = read_options(item.attributes)
    return TerraformObject(item.address, kind, group_id, service if isinstance(service, str) else "", options)


def _explain_nothing(objects: Iterable[StateObject], shown: str) -> Diagnostic:
    foreign = {item.provider for item in objects if item.address.type in _TYPES and not item.address.is_data}
    notes = tuple(f"the provider `{escape(source)}` is not `fivetran/fivetran`" for source in sorted(foreign))
    return Diagnostic(
        "terraform-nothing-managed",
        f"the state in `{escape(shown)}` has no `fivetran_group` and no `fivetran_destination`",
        notes=notes,
        help="name the state of the configuration that manages your groups, or leave out `--from-terraform`",
    )


def _refuse_shared_ids(objects: Iterable[TerraformObject], shown: str) -> None:
    addresses: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in objects:
        addresses[item.kind, item.group_id].append(str(item.address))
    findings = [
        Diagnostic(
            "terraform-id-twice",
            f"the {kind} `{escape(group_id)}` has {len(shared)} addresses in `{escape(shown)}`:"
            f" {', '.join(f'`{escape(address)}`' for address in shared)}",
            help=f"decide for one; `terraform state rm` makes Terraform forget the other, and leaves the {kind} alone",
        )
        for (kind, group_id), shared in addresses.items()
        if len(shared) > 1
    ]
    if findings:
        raise ReconcilerError(findings)


def _find_uses(
    others: Collection[StateObject], ids: frozenset[str], resources: Mapping[str, TerraformAddress]
) -> Iterator[IdUse]:
    """Find the objects that use ids, or refer to groups and destinations."""
    dependencies = {str(item.address.resource): frozenset(item.dependencies) for item in others}
    for item in sorted(others, key=lambda other: str(other.address)):
        uses = _find_ids(item, ids)
        # The state lists indirect dependencies too.
        indirect = frozenset().union(
            *(dependencies.get(address, ()) for address in item.dependencies if address not in resources)
        )
        direct = [
            address for address in item.dependencies if address in resources and address not in indirect
        ]
        if uses or direct:
            yield IdUse(str(item.address), uses, tuple(resources[address] for address in sorted(direct)))


def _find_ids(item: StateObject, ids: frozenset[str]) -> dict[str, frozenset[str]]:
    """Find the attributes of an object that hold ids. A data source that lists objects refers to none of them."""
    if item.address.is_data:
        texts = {name: value for name, value in item.attributes.items() if isinstance(value, str)}
        return {name: frozenset([value]) for name, value in texts.items() if value in ids}
    found = {name: _find_in_value(value, ids) for name, value in item.attributes.items() if name != "id"}
    return {name: used for name, used in found.items() if used}


def _find_in_value(value: Any, ids: frozenset[str]) -> frozenset[str]:
    """Find ids inside a value, and inside its texts, such as policies in JSON."""
    found: set[str] = set()
    rest = [value]
    while rest:
        match rest.pop():
            case str() as text:
                found |= ids.intersection(_TOKEN.findall(text))
            case dict() as members:
                rest += [*members, *members.values()]
            case list() as items:
                rest += items
    return frozenset(found)


def _find_outputs(outputs: Mapping[str, Any], ids: frozenset[str]) -> Iterator[IdUse]:
    for name, value in sorted(outputs.items()):
        used = _find_in_value(value, ids)
        if used:
            yield IdUse(f"output.{name}", {"value": used})
