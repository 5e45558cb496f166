"""Render the account and the files of a new project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.report.style import QUIET, STRONG, StyledText, format_count, join_lines

_IMPORT = ("reconciler import", "writes an entry for each group")
_EXAMPLE = ("reconciler catalogue show SERVICE --example", "prints a spec to start from")
_PLAN = ("reconciler plan", "shows what apply would change")
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
        text = f"The account has {format_count(groups, 'group')}. Write specs for them; nothing at Fivetran changes:"
    else:
        text = "The account has no groups. Declare the first group in `specs/groups/`:"
    steps = _align_steps(_list_steps(folder, has_groups=bool(groups), is_sandbox=is_sandbox))
    return join_lines([Text(), Text(text), Text(), *steps, *_render_pipeline_needs(ci)])


def render_way_to_account() -> StyledText:
    """Render the way from a sandbox to an own account."""
    steps = [("reconciler init", "in an empty folder: begins a project for the account of your key"), _IMPORT]
    return join_lines([Text(), Text("This was the sandbox. For your own account:"), *_align_steps(steps)])


def _list_steps(folder: str, *, has_groups: bool, is_sandbox: bool) -> Sequence[tuple[str, str]]:
    change_folder = [(f"cd {escape(folder)}", "")] if folder else []
    option = " --sandbox" if is_sandbox else ""
    first = (_IMPORT[0] + option, _IMPORT[1]) if has_groups else _EXAMPLE
    return [*change_folder, first, (_PLAN[0] + option, _PLAN[1])]


def _align_steps(steps: Sequence[tuple[str, str]]) -> list[Text]:
    width = max(len(command) for command, _ in steps)
    return [Text(f"  {command:<{width}}  {purpose}".rstrip()) for command, purpose in steps]


def _render_pipeline_needs(ci: str | None) -> list[Text]:
    if ci is None:
        return []
    state = "The state is on a branch of the remote `origin`, and `FINGERPRINT_KEY` is any long random text"
    return [Text(), Text(f"{_PIPELINE_NEEDS[ci]}. {state}: `reconciler help pipelines`.")]
