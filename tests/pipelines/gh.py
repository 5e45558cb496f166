"""A stand-in for GitHub's command line `gh`: the commands, flags and answers that the workflows use.

It checks the token as GitHub would: a request outside the permissions of the job is refused. Unknown commands and
flags are errors, and lists have pages of two items, so that a call without `--paginate` misses items.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from pipelines.github_store import BOT, is_allowed, new_id, open_store

PAGE = 2
REPOSITORY = os.environ["GITHUB_REPOSITORY"]


def main() -> None:
    """Run one command."""
    command, *arguments = sys.argv[1:]
    with open_store(Path(os.environ["HUB_OF_THE_TESTS"])) as hub:
        _COMMANDS.get(command, _fail_unknown)(hub, arguments)


def _run_api(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh api", allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--method", default=None)
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--field", action="append", default=[])
    options = parser.parse_args(arguments)
    fields = _parse_fields(options.field)
    method = options.method or ("POST" if fields else "GET")
    for (known, pattern), answer in _ENDPOINTS.items():
        match = re.fullmatch(pattern, options.path)
        if known == method and match:
            data = answer(hub, *match.groups(), **fields)
            if not options.silent:
                _print_pages(data, every=options.paginate)
            return
    _fail(f"gh: Not Found (HTTP 404): {method} {options.path}")


def _print_pages(data: Any, *, every: bool) -> None:
    if not isinstance(data, list):
        sys.stdout.write(json.dumps(data))
        return
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)] or [[]]
    for page in pages if every else pages[:1]:
        sys.stdout.write(json.dumps(page))


def _list_pulls(hub: dict[str, Any], sha: str) -> Any:
    _require_permission("pull-requests", "read")
    return [pull for pull in hub["pulls"] if pull["merge_commit_sha"] == sha or pull["head"]["sha"] == sha]


def _list_comments(hub: dict[str, Any], number: str) -> Any:
    _require_permission("pull-requests", "read")
    return [comment for comment in hub["comments"] if comment["issue"] == int(number)]


def _create_comment(hub: dict[str, Any], number: str, *, body: str) -> Any:
    _require_permission("pull-requests", "write")
    comment = {"id": new_id(hub), "issue": int(number), "user": {"login": BOT}, "body": _check_body(body)}
    hub["comments"].append(comment)
    return comment


def _edit_comment(hub: dict[str, Any], id: str, *, body: str) -> Any:
    _require_permission("pull-requests", "write")
    comment = next((candidate for candidate in hub["comments"] if candidate["id"] == int(id)), None)
    if comment is None:
        _fail("gh: Not Found (HTTP 404)")
    comment["body"] = _check_body(body)
    return comment


def _check_body(body: str) -> str:
    if not body or len(body) > 65536:
        _fail("gh: Validation Failed (HTTP 422): body")
    return body


_ENDPOINTS = {
    ("GET", rf"repos/{REPOSITORY}/commits/([0-9a-f]{{40}})/pulls"): _list_pulls,
    ("GET", rf"repos/{REPOSITORY}/issues/(\d+)/comments"): _list_comments,
    ("POST", rf"repos/{REPOSITORY}/issues/(\d+)/comments"): _create_comment,
    ("PATCH", rf"repos/{REPOSITORY}/issues/comments/(\d+)"): _edit_comment,
}


def _run_workflow(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh workflow", allow_abbrev=False)
    parser.add_argument("what", choices=["run"])
    parser.add_argument("workflow")
    parser.add_argument("--ref", required=True)
    parser.add_argument("--field", action="append", default=[])
    options = parser.parse_args(arguments)
    _require_permission("actions", "write")
    inputs = _parse_fields(options.field)
    hub["dispatches"].append({"workflow": options.workflow, "ref": options.ref, "inputs": inputs})


def _run_label(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh label", allow_abbrev=False)
    parser.add_argument("what", choices=["create"])
    parser.add_argument("name")
    parser.add_argument("--description")
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args(arguments)
    _require_permission("issues", "write")
    if options.name in hub["labels"] and not options.force:
        _fail(
            f"label with name {options.name!r} already exists; use `--force` to update its color and description"
        )
    hub["labels"] = sorted({*hub["labels"], options.name})


def _run_issue(hub: dict[str, Any], arguments: list[str]) -> None:
    action, *remaining = arguments
    parser = argparse.ArgumentParser("gh issue", allow_abbrev=False)
    if action in ("edit", "close"):
        parser.add_argument("number", type=int)
    for flag in _ISSUE_FLAGS.get(action, ()):
        parser.add_argument(flag)
    options = parser.parse_args(remaining)
    if action == "list":
        _require_permission("issues", "read")
        matching = [
            {"number": candidate["number"]}
            for candidate in reversed(hub["issues"])
            if options.label in candidate["labels"] and candidate["state"] == options.state
        ]
        if options.json != "number":
            _fail("only `--json number` is known here")
        _print_filtered(matching, options.jq)
        return
    _require_permission("issues", "write")
    if action == "create":
        if options.label not in hub["labels"]:
            _fail(f"could not add label: '{options.label}' not found")
        body = _check_body(Path(options.body_file).read_text())
        number = new_id(hub)
        hub["issues"].append(
            {
                "number": number,
                "title": options.title,
                "labels": [options.label],
                "state": "open",
                "body": body,
            }
        )
        sys.stdout.write(f"https://github.com/{REPOSITORY}/issues/{number}\n")
        return
    issue = next((candidate for candidate in hub["issues"] if candidate["number"] == options.number), None)
    if issue is None:
        _fail(f"GraphQL: Could not resolve to an issue or pull request with the number of {options.number}.")
    if action == "edit":
        issue["body"] = _check_body(Path(options.body_file).read_text())
    elif action == "close":
        issue["state"] = "closed"
    else:
        _fail_unknown(hub, arguments)


_ISSUE_FLAGS = {
    "list": ("--label", "--state", "--json", "--jq"),
    "create": ("--title", "--label", "--body-file"),
    "edit": ("--body-file",),
    "close": ("--comment",),
}


def _print_filtered(data: Any, expression: str) -> None:
    subprocess.run(["jq", "-r", expression], input=json.dumps(data), text=True, check=True)


def _parse_fields(given: list[str]) -> dict[str, str]:
    """Parse `name=value` arguments, where `@file` is the content of a file."""
    pairs = dict(field.split("=", 1) for field in given)
    return {
        name: Path(value[1:]).read_text() if value.startswith("@") else value for name, value in pairs.items()
    }


def _require_permission(permission: str, level: str) -> None:
    if not is_allowed(os.environ.get("GH_TOKEN", ""), permission, level):
        _fail(f"gh: Resource not accessible by integration (HTTP 403): {permission}: {level}")


def _fail_unknown(hub: dict[str, Any], arguments: list[str]) -> NoReturn:
    _fail(f"the `gh` of the tests does not know {sys.argv[1:]}")


def _fail(message: str) -> NoReturn:
    sys.exit(message)


_COMMANDS = {"api": _run_api, "workflow": _run_workflow, "label": _run_label, "issue": _run_issue}

if __name__ == "__main__":
    main()
