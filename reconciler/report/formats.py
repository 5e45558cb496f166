"""Registry of report formats. It names formats without the import of a renderer, so that `--help` stays instant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.report.renderer import Renderer, RunView


class Verbosity(IntEnum):
    """How much a run reports about unfinished work, from `--quiet` to `--verbose`."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Document(StrEnum):
    """Reports that several formats can render."""

    PLAN = "plan"
    DRIFT = "drift"
    APPLY = "apply"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class Format:
    """A value of `--format`: the class of its renderer, and the documents that the renderer can render."""

    name: str
    module: str
    renderer: str
    documents: frozenset[Document]


def _define(name: str, module: str, renderer: str, *documents: Document) -> Format:
    return Format(name, module, renderer, frozenset(documents))


_ALL = tuple(Document)
_FORMATS = (
    _define("text", "renderer", "Renderer", Document.PLAN, Document.DRIFT, Document.APPLY),
    _define("full", "renderer", "Renderer", Document.VALIDATION),
    _define("concise", "renderer", "ConciseRenderer", Document.VALIDATION),
    _define("json", "json_document", "JsonRenderer", *_ALL),
    _define("markdown", "plan_markdown", "MarkdownRenderer", Document.PLAN),
    _define("github", "github", "GithubRenderer", *_ALL),
    _define("gitlab", "gitlab", "GitlabRenderer", Document.PLAN),
    _define("junit", "junit", "JunitRenderer", Document.PLAN, Document.VALIDATION),
    _define("sarif", "sarif", "SarifRenderer", Document.PLAN, Document.DRIFT, Document.VALIDATION),
    _define("terraform", "terraform_text", "TerraformRenderer", Document.PLAN, Document.APPLY),
    _define("terraform-json", "terraform_json", "TerraformJsonRenderer", Document.PLAN),
    _define("mermaid", "renderer", "Renderer"),
)
_BY_NAME = {row.name: row for row in _FORMATS}


def list_formats(document: Document) -> tuple[str, ...]:
    """The formats of a document. The first format is the default."""
    return tuple(row.name for row in _FORMATS if document in row.documents)


def make_renderer(name: str, run: RunView) -> Renderer:
    """The renderer of a format for one run. Imports the module of this renderer only."""
    row = _BY_NAME[name]
    renderer: Renderer = getattr(import_module(f"reconciler.report.{row.module}"), row.renderer)(run)
    return renderer
