"""Check the architecture of the package: import contracts, diagnostic codes and side effects."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import reconciler
from reconciler.model.codes import ExitClass, load_codes
from reconciler.spec.project import ProjectFile

ROOT = Path(__file__).parents[2]
PACKAGE = Path(reconciler.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_layers_and_libraries_keep_the_import_contracts() -> None:
    code, report = _lint(ROOT)
    assert code == 0, report
    assert " 0 broken" in report


def test_an_upward_import_breaks_the_contracts(tmp_path: Path) -> None:
    _copy_project(tmp_path)
    offender = tmp_path / "reconciler" / "model" / "address.py"
    offender.write_text(offender.read_text() + "\nimport reconciler.cli.main\n")
    code, report = _lint(tmp_path)
    assert code == 1
    assert "Layers import downwards only BROKEN" in report


def test_a_library_outside_its_layer_breaks_the_contracts(tmp_path: Path) -> None:
    _copy_project(tmp_path)
    offender = tmp_path / "reconciler" / "planning" / "match.py"
    offender.write_text(offender.read_text() + "\nimport requests\n")
    code, report = _lint(tmp_path)
    assert code == 1
    assert "requests stays in reconciler.api and reconciler.runtime.http BROKEN" in report


def _copy_project(to: Path) -> None:
    for source in SOURCES:
        copy = to / "reconciler" / source.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    (to / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())


def _lint(directory: Path) -> tuple[int, str]:
    """Check the import contracts of a project folder. Returns exit code and report."""
    program = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def test_every_diagnostic_code_is_explained_and_used() -> None:
    used = {code for source in SOURCES for code in _find_codes(source)}
    assert used - set(load_codes()) == set()
    assert set(load_codes()) - used == set()


def test_explanations_are_sorted_and_longer_than_their_headline() -> None:
    assert list(load_codes()) == sorted(load_codes())
    assert [code for code, facts in load_codes().items() if len(facts.text.split()) < 15] == []


def test_every_code_has_an_exit_class_in_its_row() -> None:
    rows = tomllib.loads((PACKAGE / "model" / "codes.toml").read_text())
    without = [code for code, row in rows.items() if row.get("exit") not in list(ExitClass)]
    assert rows
    assert without == []


def test_the_facts_of_a_code_are_known_values() -> None:
    rows = load_codes().values()
    assert {row.severity_if_strict for row in rows} == {None, "error"}
    assert {row.setting for row in rows} - {None} <= set(ProjectFile.model_fields)


def test_no_module_compares_a_diagnostic_with_a_code() -> None:
    comparison = re.compile(r"""\.code (==|!=|in|not in) (["'({]|_?[A-Z])""")
    client = [each for each in SOURCES if each.relative_to(PACKAGE).parts[0] != "emulator"]
    offenders = {
        f"{source.relative_to(PACKAGE)}: {line.strip()}"
        for source in client
        for line in source.read_text().splitlines()
        if comparison.search(line) and "SUCCESS_CODES" not in line
    }
    assert offenders == set()


def _find_codes(source: Path) -> set[str]:
    """Find the diagnostic codes in a source: explained literals, and first arguments of Diagnostic or Problem."""
    tree = ast.parse(source.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in load_codes():
            found.add(node.value)
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", "") in {"Diagnostic", "Problem"}
            and node.args
        ):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_secrets_are_revealed_only_by_modules_that_send_or_hash_them() -> None:
    revealing = {
        str(source.relative_to(PACKAGE))
        for source in SOURCES
        if re.search(r"\w\.reveal\(\)", source.read_text())
    }
    assert revealing == {"api/body.py", "api/transport.py", "secrets/fingerprint.py"}


def test_every_wait_can_be_interrupted_except_the_pause_between_pushes() -> None:
    sleeping = {str(source.relative_to(PACKAGE)) for source in SOURCES if ".sleep(" in source.read_text()}
    assert sleeping == {"runtime/clock.py", "state/git.py"}


def test_only_the_command_line_prints_and_reads_the_environment() -> None:
    """Only the system clock, which the command line passes down, reads the time."""
    forbidden = re.compile(
        r"(?<![.\w])print\(|\bsys\.exit\(|\bos\.environ\b|\bos\.getenv\(|\btime\.(time|sleep|monotonic)\("
    )
    offenders = {
        str(source.relative_to(PACKAGE))
        for source in SOURCES
        if source.relative_to(PACKAGE).parts[0] != "cli" and forbidden.search(source.read_text())
    }
    assert offenders == {"runtime/clock.py"}


def test_reports_use_no_file_no_process_and_no_socket() -> None:
    """Only the stream of a console uses the operating system."""
    outside = re.compile(
        r"(?<![.\w])open\(|\.(read|write)_(text|bytes)\(|\.open\(|^\s*(import|from) (os|subprocess|socket)\b",
        re.M,
    )
    offenders = {
        source.name
        for source in SOURCES
        if source.parent.name == "report" and outside.search(source.read_text())
    }
    assert offenders == {"stream.py"}


def test_no_property_sets_a_deadline() -> None:
    """A property with a deadline would fail on a busy machine."""
    setting = {
        str(source.relative_to(ROOT))
        for source in (ROOT / "tests").rglob("*.py")
        if re.search(r"\bdeadline=(None|\d|timedelta)", source.read_text())
    }
    assert setting == {"tests/support/hypothesis_settings.py"}
