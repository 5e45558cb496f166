"""Stands for GitHub's command line `gh` in the tests: the commands, flags and answers that the workflows use.

It looks at the token as GitHub would: what the permissions of the job do not cover is refused. Anything that it does
not know ends it with an error, and lists come in pages of two, so that who forgets `--paginate` sees too little.
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

from pipelines.hub import BOT, is_allowed, new_id, opened

PAGE = 2
REPOSITORY = os.environ["GITHUB_REPOSITORY"]


def main() -> None:
    """Carry out one command."""
    command, *arguments = sys.argv[1:]
    with opened(Path(os.environ["HUB_OF_THE_TESTS"])) as hub:
        _COMMANDS.get(command, _unknown)(hub, arguments)


def _api(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh api", allow_abbrev=False)
    parser.add_argument("path")
    parser.add_argument("--method", default=None)
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--field", action="append", default=[])
    given = parser.parse_args(arguments)
    fields = _fields(given.field)
    method = given.method or ("POST" if fields else "GET")
    for (known, pattern), answer in _ENDPOINTS.items():
        found = re.fullmatch(pattern, given.path)
        if known == method and found:
            data = answer(hub, *found.groups(), **fields)
            if not given.silent:
                _print_pages(data, every=given.paginate)
            return
    _fail(f"gh: Not Found (HTTP 404): {method} {given.path}")


def _print_pages(data: Any, *, every: bool) -> None:
    if not isinstance(data, list):
        sys.stdout.write(json.dumps(data))
        return
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)] or [[]]
    for page in pages if every else pages[:1]:
        sys.stdout.write(json.dumps(page))


def _pulls_of(hub: dict[str, Any], sha: str) -> Any:
    _needs("pull-requests", "read")
    return [pull for pull in hub["pulls"] if pull["merge_commit_sha"] == sha or pull["head"]["sha"] == sha]


def _comments(hub: dict[str, Any], number: str) -> Any:
    _needs("pull-requests", "read")
    return [comment for comment in hub["comments"] if comment["issue"] == int(number)]


def _comment(hub: dict[str, Any], number: str, *, body: str) -> Any:
    _needs("pull-requests", "write")
    comment = {"id": new_id(hub), "issue": int(number), "user": {"login": BOT}, "body": _kept(body)}
    hub["comments"].append(comment)
    return comment


def _edit_comment(hub: dict[str, Any], id: str, *, body: str) -> Any:
    _needs("pull-requests", "write")
    comment = next((each for each in hub["comments"] if each["id"] == int(id)), None)
    if comment is None:
        _fail("gh: Not Found (HTTP 404)")
    comment["body"] = _kept(body)
    return comment


def _kept(body: str) -> str:
    if not body or len(body) > 65536:
        _fail("gh: Validation Failed (HTTP 422): body")
    return body


_ENDPOINTS = {
    ("GET", rf"repos/{REPOSITORY}/commits/([0-9a-f]{{40}})/pulls"): _pulls_of,
    ("GET", rf"repos/{REPOSITORY}/issues/(\d+)/comments"): _comments,
    ("POST", rf"repos/{REPOSITORY}/issues/(\d+)/comments"): _comment,
    ("PATCH", rf"repos/{REPOSITORY}/issues/comments/(\d+)"): _edit_comment,
}


def _workflow(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh workflow", allow_abbrev=False)
    parser.add_argument("what", choices=["run"])
    parser.add_argument("workflow")
    parser.add_argument("--ref", required=True)
    parser.add_argument("--field", action="append", default=[])
    given = parser.parse_args(arguments)
    _needs("actions", "write")
    inputs = _fields(given.field)
    hub["dispatches"].append({"workflow": given.workflow, "ref": given.ref, "inputs": inputs})


def _label(hub: dict[str, Any], arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("gh label", allow_abbrev=False)
    parser.add_argument("what", choices=["create"])
    parser.add_argument("name")
    parser.add_argument("--description")
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args(arguments)
    _needs("issues", "write")
    if given.name in hub["labels"] and not given.force:
        _fail(
            f"label with name {given.name!r} already exists; use `--force` to update its color and description"
        )
    hub["labels"] = sorted({*hub["labels"], given.name})


def _issue(hub: dict[str, Any], arguments: list[str]) -> None:
    what, *rest = arguments
    parser = argparse.ArgumentParser("gh issue", allow_abbrev=False)
    if what in ("edit", "close"):
        parser.add_argument("number", type=int)
    for flag in _ISSUE_FLAGS.get(what, ()):
        parser.add_argument(flag)
    given = parser.parse_args(rest)
    if what == "list":
        _needs("issues", "read")
        found = [
            {"number": each["number"]}
            for each in reversed(hub["issues"])
            if given.label in each["labels"] and each["state"] == given.state
        ]
        if given.json != "number":
            _fail("only `--json number` is known here")
        _print_filtered(found, given.jq)
        return
    _needs("issues", "write")
    if what == "create":
        if given.label not in hub["labels"]:
            _fail(f"could not add label: '{given.label}' not found")
        body = _kept(Path(given.body_file).read_text())
        number = new_id(hub)
        hub["issues"].append(
            {"number": number, "title": given.title, "labels": [given.label], "state": "open", "body": body}
        )
        sys.stdout.write(f"https://github.com/{REPOSITORY}/issues/{number}\n")
        return
    issue = next((each for each in hub["issues"] if each["number"] == given.number), None)
    if issue is None:
        _fail(f"GraphQL: Could not resolve to an issue or pull request with the number of {given.number}.")
    if what == "edit":
        issue["body"] = _kept(Path(given.body_file).read_text())
    elif what == "close":
        issue["state"] = "closed"
    else:
        _unknown(hub, arguments)


_ISSUE_FLAGS = {
    "list": ("--label", "--state", "--json", "--jq"),
    "create": ("--title", "--label", "--body-file"),
    "edit": ("--body-file",),
    "close": ("--comment",),
}


def _print_filtered(data: Any, expression: str) -> None:
    subprocess.run(["jq", "-r", expression], input=json.dumps(data), text=True, check=True)


def _fields(given: list[str]) -> dict[str, str]:
    """`name=value`, where `@file` is the content of a file."""
    pairs = dict(each.split("=", 1) for each in given)
    return {
        name: Path(value[1:]).read_text() if value.startswith("@") else value for name, value in pairs.items()
    }


def _needs(permission: str, level: str) -> None:
    if not is_allowed(os.environ.get("GH_TOKEN", ""), permission, level):
        _fail(f"gh: Resource not accessible by integration (HTTP 403): {permission}: {level}")


def _unknown(hub: dict[str, Any], arguments: list[str]) -> NoReturn:
    _fail(f"the `gh` of the tests does not know {sys.argv[1:]}")


def _fail(message: str) -> NoReturn:
    sys.exit(message)


_COMMANDS = {"api": _api, "workflow": _workflow, "label": _label, "issue": _issue}

if __name__ == "__main__":
    main()
