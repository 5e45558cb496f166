"""Render the account and the files of a new project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.report.style import QUIET, STRONG, StyledText, format_count, join_lines

_FIRST_STEPS = (
    ("reconciler catalogue show SERVICE --example", "prints a spec to start from"),
    ("reconciler plan", "shows what apply would change"),
)
_PIPELINE_NEEDS = {
    "github": "The workflows need the address of the program in `RECONCILER`, the environments `reconciler`,"
    " `reconciler-plan` and `reconciler-night`, and your team in `.github/CODEOWNERS`",
    "gitlab": "The pipeline needs the address of the program in `RECONCILER`, the environments `plan`, `look`,"
    " `production` and `notes`, and a schedule",
    "atlantis": "Atlantis needs `repos.yaml` on its server (`--repo-config`), and the keys in its environment",
}


def render_new_account(name: str, account_id: str, key: str, groups: int, destinations: int) -> StyledText:
    """Render the account of the credentials: `account Acme (acme_id) · key of a user · 3 groups, 2 destinations`."""
    shown = f"{escape(name)} ({escape(account_id)})" if name else escape(account_id)
    counts = f"{format_count(groups, 'group')}, {format_count(destinations, 'destination')}"
    return Text.assemble("account ", (shown, STRONG), (f" · {key} · {counts}", QUIET))


def render_project_files(files: Iterable[tuple[str, bool]]) -> StyledText:
    """Render each file on a line; the flag says that it is new."""
    lines = [
        Text(f"wrote   {escape(path)}") if is_new else Text(f"exists  {escape(path)}, left as it is", QUIET)
        for path, is_new in files
    ]
    return join_lines([Text(), *lines])


def render_next_steps(groups: int, *, folder: str, ci: str | None, is_sandbox: bool) -> StyledText:
    """Render the next steps. `folder` is the folder of the commands, if it is another than the current folder.

    This is the one text about the way from an account to its specs.
    """
    if groups:
        found = f"The account has {format_count(groups, 'group')}."
        advice = "Declare the groups in `specs/groups/`; a plan adopts each by its name, and sends nothing:"
    else:
        found = "The account has no groups."
        advice = "Declare the first group in `specs/groups/`:"
    steps = _align_steps(_list_steps(folder, is_sandbox=is_sandbox))
    return join_lines([Text(), Text(f"{found} {advice}"), Text(), *steps, *_render_pipeline_needs(ci)])


def _list_steps(folder: str, *, is_sandbox: bool) -> Sequence[tuple[str, str]]:
    change_folder = [(f"cd {escape(folder)}", "")] if folder else []
    option = " --sandbox" if is_sandbox else ""
    first, second = _FIRST_STEPS
    return [*change_folder, first, (second[0] + option, second[1])]


def _align_steps(steps: Sequence[tuple[str, str]]) -> list[Text]:
    width = max(len(command) for command, _ in steps)
    return [Text(f"  {command:<{width}}  {purpose}".rstrip()) for command, purpose in steps]


def _render_pipeline_needs(ci: str | None) -> list[Text]:
    if ci is None:
        return []
    state = "The state is on a branch of the remote `origin`, and `FINGERPRINT_KEY` is any long random text"
    return [Text(), Text(f"{_PIPELINE_NEEDS[ci]}. {state}: `reconciler help pipelines`.")]
