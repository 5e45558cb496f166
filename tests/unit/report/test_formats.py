"""Test the registry of formats against the renderers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.cli.exit import ExitCode
from reconciler.model.diagnostic import Diagnostic
from reconciler.report.formats import Document, list_formats, make_renderer
from reconciler.report.renderer import DocumentRenderer, Printed, Renderer, RunView

METHODS = {
    Document.PLAN: "plan",
    Document.DRIFT: "drift",
    Document.APPLY: "applied",
    Document.VALIDATION: "validation",
    Document.TEST: "tested",
}
PAIRS = [(form, document) for document in Document for form in list_formats(document)]


def build_renderer(form: str, command: str = "plan") -> Renderer:
    run = RunView(
        command=command,
        project_file="specs/reconciler.yaml",
        to_repo_path=lambda path: path,
        read_line=lambda path, line: None,
        get_time=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        get_out_width=lambda: None,
        get_err_width=lambda: None,
    )
    return make_renderer(form, run)


@pytest.mark.parametrize(("form", "document"), PAIRS)
def test_a_format_renders_each_of_its_documents(form: str, document: Document) -> None:
    renderer = build_renderer(form)
    if isinstance(renderer, DocumentRenderer):
        own = [each for each in type(renderer).__mro__ if each not in {DocumentRenderer, *Renderer.__mro__}]
        assert any(METHODS[document] in vars(each) for each in own)
    else:
        assert callable(getattr(renderer, METHODS[document]))


@pytest.mark.parametrize("form", sorted({form for form, _ in PAIRS}))
def test_no_failure_is_silent(form: str) -> None:
    error = Diagnostic("locked", "another run works on it")
    parts = [
        part for part in build_renderer(form).failure(ExitCode.LOCKED, [error]) if isinstance(part, Printed)
    ]
    texts = [str(part.text) for part in parts]
    assert any("another run works on it" in text for text in texts)
    is_on_stdout = any(not part.to_stderr for part in parts)
    assert is_on_stdout is (
        form in {"json", "sarif", "markdown", "html", "junit", "terraform-json", "github"}
    )


def test_the_first_format_is_text_or_full() -> None:
    assert {list_formats(document)[0] for document in Document} == {"text", "full"}


def test_an_apply_prints_its_errors_at_the_start_of_a_line() -> None:
    error = Diagnostic("locked", "another run works on it")
    [behind_a_bar] = build_renderer("terraform").diagnostics([error])
    [bare] = build_renderer("terraform", "apply").diagnostics([error])
    assert isinstance(behind_a_bar, Printed)
    assert isinstance(bare, Printed)
    assert "│ Error: another run works on it [locked]" in str(behind_a_bar.text).splitlines()
    assert "Error: another run works on it [locked]" in str(bare.text).splitlines()
