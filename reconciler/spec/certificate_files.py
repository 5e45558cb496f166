"""Read the PEM files that specs name as pins: `trust: {certificates: [{pem: PATH}]}`.

A file belongs to the specs of each entry that names it, so a revision is read with the files of that revision. Paths
start in the folder of the project file, like those of `file:` references, and stay inside the repository.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.home_path import HOME_PROBLEM, starts_at_home
from reconciler.spec.files import RevisionCopy, SearchArea, resolve_path
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence

MAX_BYTES = 64 * 1024
PEM = "pem"
_PATH_ADVICE = "write a path that starts in the folder of the project file"


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """Content of a PEM file; or the problem why it cannot be read, with an advice."""

    content: bytes = b""
    problem: str = ""
    advice: str = ""


def read_certificate_files(blocks: Iterable[MappingNode], area: SearchArea) -> dict[str, CertificateFile]:
    """Read the PEM files that destination blocks name, by their paths as the specs write them. Never raises for a
    file of the work tree; raises ReconcilerError if git cannot read a file of a revision."""
    paths = dict.fromkeys(path for block in blocks for path in _list_paths(block))
    return {path: _read_file(path, area) for path in paths}


def find_pem_path(node: Node) -> Scalar | None:
    """Find the path in a pin `{pem: PATH}`; None for every other pin."""
    path = node.get(PEM) if isinstance(node, MappingNode) and {*node.entries} == {PEM} else None
    return path if isinstance(path, Scalar) and isinstance(path.value, str) else None


def _list_paths(block: MappingNode) -> Iterator[str]:
    trust = block.get("trust")
    pins = trust.get("certificates") if isinstance(trust, MappingNode) else None
    for pin in pins.items if isinstance(pins, Sequence) else ():
        path = find_pem_path(pin)
        if path is not None:
            yield str(path.value)


def _read_file(path: str, area: SearchArea) -> CertificateFile:
    problem = _find_place_problem(path, area)
    if problem is not None:
        return problem
    if area.copy is not None:
        return _read_at_revision(path, area.directory, area.copy)
    try:
        return _read_regular_file(resolve_path(area.directory / path))
    except FileNotFoundError:
        return _MISSING
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "not a usable path").lower()
        return CertificateFile(
            problem=f"the file cannot be read: {reason}", advice="correct the path, or the rights of the file"
        )


def _find_place_problem(path: str, area: SearchArea) -> CertificateFile | None:
    """Find the problem of a path that no pin may have, whatever file is there."""
    if starts_at_home(path):
        return CertificateFile(problem=HOME_PROBLEM, advice=_PATH_ADVICE)
    if Path(path).is_absolute():
        return CertificateFile(problem="the path is absolute", advice=_PATH_ADVICE)
    if resolve_path(area.directory / path).is_relative_to(area.root):
        return None
    place = "repository" if area.is_repository else "folder of the project file"
    return CertificateFile(
        problem=f"the file is outside the {place}", advice=f"copy the certificate into the {place}"
    )


def _read_at_revision(path: str, directory: Path, copy: RevisionCopy) -> CertificateFile:
    folder = resolve_path(directory).relative_to(resolve_path(copy.folder)).as_posix()
    content = copy.read(posixpath.normpath(posixpath.join(folder, path)))
    return _MISSING_AT_REVISION if content is None else _limit(content)


_MISSING = CertificateFile(
    problem="the file does not exist",
    advice="paths start in the folder of the project file; correct the path",
)
_MISSING_AT_REVISION = CertificateFile(problem="the revision does not have this file")


def _read_regular_file(path: Path) -> CertificateFile:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe without a writer would wait
        return CertificateFile(problem="it is no regular file", advice="name a file in PEM form")
    with path.open("rb") as file:
        return _limit(file.read(MAX_BYTES + 1))


def _limit(content: bytes) -> CertificateFile:
    if len(content) > MAX_BYTES:
        return CertificateFile(
            problem=f"the file is larger than {MAX_BYTES // 1024} KiB",
            advice="a certificate has a few KiB: name a file with the one certificate to trust",
        )
    return CertificateFile(content)
