"""Registry of report formats. It names formats without the import of a renderer, so that `--help` stays instant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.report.renderer import Renderer, RunView


class Verbosity(IntEnum):
    """Amount of progress that a run reports, from `--quiet` to `--verbose`."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Document(StrEnum):
    """Reports that several formats can render."""

    PLAN = "plan"
    DRIFT = "drift"
    APPLY = "apply"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Format:
    """A value of `--format`: the class of its renderer, and the documents that the renderer can render."""

    name: str
    module: str
    renderer: str
    documents: frozenset[Document]


def _define_format(name: str, module: str, renderer: str, *documents: Document) -> Format:
    return Format(name, module, renderer, frozenset(documents))


_ALL = tuple(Document)
_FORMATS = (
    _define_format(
        "text", "renderer", "Renderer", Document.PLAN, Document.DRIFT, Document.APPLY, Document.TEST
    ),
    _define_format("full", "renderer", "Renderer", Document.VALIDATION),
    _define_format("concise", "renderer", "ConciseRenderer", Document.VALIDATION),
    _define_format("json", "json_document", "JsonRenderer", *_ALL),
    _define_format("markdown", "plan_markdown", "MarkdownRenderer", Document.PLAN),
    _define_format("html", "plan_html.page", "HtmlRenderer", Document.PLAN),
    _define_format("github", "github", "GithubRenderer", *_ALL),
    _define_format("gitlab", "gitlab", "GitlabRenderer", Document.PLAN),
    _define_format("junit", "junit", "JunitRenderer", Document.PLAN, Document.VALIDATION, Document.TEST),
    _define_format("sarif", "sarif", "SarifRenderer", Document.PLAN, Document.DRIFT, Document.VALIDATION),
    _define_format("terraform", "terraform_text", "TerraformRenderer", Document.PLAN, Document.APPLY),
    _define_format("terraform-json", "terraform_json", "TerraformJsonRenderer", Document.PLAN),
    _define_format("mermaid", "renderer", "Renderer"),
    _define_format("tfvars", "renderer", "Renderer"),
)
_BY_NAME = {row.name: row for row in _FORMATS}


def list_formats(document: Document) -> tuple[str, ...]:
    """List the formats of a document. The first format is the default."""
    return tuple(row.name for row in _FORMATS if document in row.documents)


def make_renderer(name: str, run: RunView) -> Renderer:
    """Make the renderer of a format for one run. Imports the module of this renderer only."""
    row = _BY_NAME[name]
    renderer: Renderer = getattr(import_module(f"reconciler.report.{row.module}"), row.renderer)(run)
    return renderer
