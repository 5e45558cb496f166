"""Check the releases of this program that a project file requires."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from reconciler import __version__
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.nodes import MappingNode, Scalar

KEY = "requires"
_ADVICE = 'write for example `requires: ">=0.3,<1"`'


def check_release(root: MappingNode) -> None:
    """Check that this release is in the range of a project file. Raises ReconcilerError.

    The check precedes all other checks of the file: a key of a newer release would be an unknown key, an error that
    says less. An invalid range is left to the validation of the file, which reports it together with other errors.
    """
    node = root.entries[KEY].node if KEY in root else None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return
    try:
        releases = _parse_range(node.value)
    except InvalidSpecifier:
        return
    if not releases.contains(Version(__version__), prereleases=True):
        raise ReconcilerError(
            [
                Diagnostic(
                    "other-release",
                    f"this is release {__version__}, and the project requires `{node.value}`",
                    node.span,
                    help="install a release of this range (`reconciler help installation`), or correct `requires:`",
                )
            ]
        )


def _validate_range(text: Any) -> str:
    if not isinstance(text, str):
        raise PydanticCustomError("wrong-shape", "`requires` must be text", {"help": _ADVICE})
    try:
        _parse_range(text)
    except InvalidSpecifier:
        problem = f"`{text}` is no range of releases" if text.strip() else "a range of releases is not empty"
        raise PydanticCustomError("wrong-shape", "{text}", {"text": problem, "help": _ADVICE}) from None
    return text


def _parse_range(text: str) -> SpecifierSet:
    """Parse a range. Raises InvalidSpecifier, also for an empty text, which would allow every release."""
    releases = SpecifierSet(text)
    if not len(releases):
        raise InvalidSpecifier(text)
    return releases


ReleaseRange: TypeAlias = Annotated[str, PlainValidator(_validate_range, json_schema_input_type=str)]
