"""`--changed-since`: a plan of the entries whose specs changed, whatever the size of the account."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.many_pairs import create_account, write_project
from cli_harness import CommandResult, EmulatedFivetran, Project, serve_fivetran
from git_repo import commit, run_git, set_variables, trust, write_distrusting_git

from reconciler.emulator.fault_text import parse_fault

pytestmark = pytest.mark.sampled(every=6, tests=5)

SETTINGS = """\
version: 1
account_id: {account}
specs: [profiles.yaml, "groups/*.yaml"]
overrides: [prod.yaml]
limits: {{deletes: 9, changed_fraction: 1}}
defaults:
  destination:
    service: big_query
    region: GCP_US_EAST4
    time_zone_offset: "0"
    config: {{data_set_location: US}}
"""
PROFILES = """\
version: 1
profiles:
  eu: {region: GCP_EUROPE_WEST3}
  us: {region: GCP_US_EAST4}
"""
GROUPS = """\
version: 1
groups:
  # the shop
  orders:
    destination: {profile: eu, config: {project_id: shop}}
  sales:
    destination: {profile: eu, config: {project_id: sales}}
  stock:
    destination: {profile: us, config: {project_id: stock}}
  audit: {}
"""
OVERRIDES = """\
version: 1
groups:
  stock:
    destination: {config: {project_id: stock-prod}}
"""

Edit = Callable[[Project], object]


def replace_text(name: str, old: str, new: str) -> Edit:
    """Return an edit of one file."""

    def edit(project: Project) -> None:
        file = project.folder / name
        text = file.read_text()
        assert text.count(old) == 1
        project.write(name, text.replace(old, new))

    return edit


def edit_groups(old: str, new: str) -> Edit:
    return replace_text("specs/groups/main.yaml", old, new)


def edit_settings(old: str, new: str) -> Edit:
    return replace_text("specs/reconciler.yaml", old, new)


def append_groups(text: str) -> Edit:
    """Return an edit that appends lines to the groups."""
    return edit_groups("  audit: {}\n", "  audit: {}\n" + text)


@pytest.fixture
def shop(project: Project, server: EmulatedFivetran) -> Project:
    """Four entries, three of them with destinations; committed as `base`, and applied."""
    project.write("specs/reconciler.yaml", SETTINGS.format(account=server.account_id))
    project.write("specs/profiles.yaml", PROFILES)
    project.write("specs/prod.yaml", OVERRIDES)
    project.write("specs/groups/main.yaml", GROUPS)
    commit(project.folder, "base")
    applied = project.run_against(server, "apply", "--auto-approve")
    assert applied.exit == 0, applied.stdout + applied.stderr
    return project


def plan(project: Project, server: EmulatedFivetran, *options: str) -> CommandResult:
    return project.run_against(server, "plan", "--changed-since", "base", *options)


def list_scope(project: Project, server: EmulatedFivetran, *options: str) -> set[str]:
    """List the addresses in the scope of a plan, changed or not."""
    result = plan(project, server, "--format", "json", *options)
    assert result.exit == 0, result.stdout + result.stderr
    document = result.document
    parts = ("changes", "unchanged", "adopted", "forgotten")
    return {each["address"] for part in parts for each in document[part]}


def list_addresses(*keys: str) -> set[str]:
    return {f"{kind}.{key}" for kind in ("group", "destination") for key in keys}


NEUTRAL_EDITS = {
    "nothing": lambda project: None,
    "a comment": edit_groups("# the shop", "# the shop, since 2019"),
    "the order of entries": lambda project: (
        edit_groups("  audit: {}\n", "")(project),
        edit_groups("groups:\n", "groups:\n  audit: {}\n")(project),
    ),
    "flow and block style": edit_groups(
        "destination: {profile: us, config: {project_id: stock}}",
        "destination:\n      config:\n        project_id: 'stock'\n      profile: us",
    ),
    "the file of an entry": lambda project: (
        edit_groups("  stock:\n    destination: {profile: us, config: {project_id: stock}}\n", "")(project),
        project.write_groups(
            "  stock:\n    destination: {profile: us, config: {project_id: stock}}\n", "stock"
        ),
    ),
    "an explicit default": edit_groups(
        "{profile: eu, config: {project_id: shop}}",
        '{profile: eu, time_zone_offset: "0", config: {project_id: shop}}',
    ),
    "an unused profile": replace_text("specs/profiles.yaml", "profiles:\n", "profiles:\n  it: {}\n"),
    "a value replaced by an override": edit_groups("project_id: stock}", "project_id: stock-dev}"),
    "settings of the project": edit_settings("deletes: 9", "deletes: 8"),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize("edit", NEUTRAL_EDITS.values(), ids=NEUTRAL_EDITS)
def test_an_edit_with_equal_resolved_specs_is_not_in_scope(
    shop: Project, server: EmulatedFivetran, edit: Edit
) -> None:
    edit(shop)
    assert list_scope(shop, server) == set()


EFFECTIVE_EDITS = {
    "a field of a destination": (
        edit_groups("project_id: shop", "project_id: shop-2"),
        list_addresses("orders"),
    ),
    "an added field": (
        edit_groups("project_id: sales}", "project_id: sales, bucket: b}"),
        list_addresses("sales"),
    ),
    "a deleted field": (
        edit_groups("{profile: eu, config: {project_id: shop}}", "{profile: eu}"),
        list_addresses("orders"),
    ),
    "another type of the same value": (
        edit_groups("project_id: shop}", "project_id: shop, is_x: 1}"),
        list_addresses("orders"),
    ),
    "a name": (edit_groups("  sales:\n", "  sales:\n    name: Sales\n"), list_addresses("sales")),
    "a new entry": (append_groups("  claims: {}\n"), {"group.claims"}),
    "a new pair": (
        append_groups("  claims:\n    destination: {config: {project_id: c}}\n"),
        list_addresses("claims"),
    ),
    "a destination for a group": (
        edit_groups("audit: {}", "audit: {destination: {config: {project_id: c}}}"),
        list_addresses("audit"),
    ),
    "another profile": (edit_groups("{profile: us", "{profile: eu"), list_addresses("stock")),
    "a profile": (
        replace_text("specs/profiles.yaml", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        list_addresses("orders", "sales"),
    ),
    "a default": (edit_settings('"0"', '"+1"'), list_addresses("orders", "sales", "stock")),
    "an override": (replace_text("specs/prod.yaml", "stock-prod", "stock-live"), list_addresses("stock")),
    "a deleted override": (edit_settings("overrides: [prod.yaml]\n", ""), list_addresses("stock")),
    "trust": (
        edit_groups("project_id: shop}", "project_id: shop}, trust: {certificates: any}"),
        list_addresses("orders"),
    ),
    "setup tests": (
        edit_groups("project_id: shop}", "project_id: shop}, setup_tests: {run: false}"),
        list_addresses("orders"),
    ),
    "protection": (
        edit_groups("project_id: shop}", "project_id: shop}, lifecycle: {protected: true}"),
        list_addresses("orders"),
    ),
    "permission to replace": (
        edit_groups("project_id: shop}", "project_id: shop}, lifecycle: {allow_replace: true}"),
        list_addresses("orders"),
    ),
    "ignored fields": (
        edit_groups(
            "project_id: shop}", "project_id: shop}, lifecycle: {ignore_changes: [config.project_id]}"
        ),
        list_addresses("orders"),
    ),
    "another key": (edit_groups("  sales:\n", "  trade:\n    was: sales\n"), list_addresses("trade")),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("edit", "expected"), EFFECTIVE_EDITS.values(), ids=EFFECTIVE_EDITS)
def test_an_edit_with_different_resolved_specs_is_in_scope(
    shop: Project, server: EmulatedFivetran, edit: Edit, expected: set[str]
) -> None:
    edit(shop)
    assert list_scope(shop, server) == expected


def test_values_are_compared_with_their_types(shop: Project, server: EmulatedFivetran) -> None:
    at = "project_id: shop"
    edit_groups(at, f"{at}, is_new: true")(shop)
    commit(shop.folder, "with-true")
    edit_groups("is_new: true", "is_new: 1")(shop)
    document = shop.run_against(
        server, "plan", "--changed-since", "with-true", "--secrets", "skip", "--format", "json"
    ).document
    assert document["narrowed_to"]["changed"] == 1


def test_an_added_id_is_a_change(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("orders")
    edit_groups("  orders:\n", f"  orders:\n    id: {id}\n")(shop)
    assert list_scope(shop, server) == list_addresses("orders")


def test_a_reference_to_another_secret_is_a_change(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", 'project_id: {value: "env:SHOP"}')(shop)
    commit(shop.folder, "with-reference")
    edit_groups('{value: "env:SHOP"}', '{secret: "env:SHOP"}')(shop)
    result = shop.run_against(
        server, "plan", "--changed-since", "with-reference", "--secrets", "skip", "--format", "json"
    )
    assert result.document["narrowed_to"]["changed"] == 1


def test_an_added_removal_is_in_scope_and_an_older_removal_is_not(
    shop: Project, server: EmulatedFivetran
) -> None:
    [orders], [sales] = (server.app.dashboard.find_group_ids(key) for key in ("orders", "sales"))
    edit_groups("  orders:\n    destination: {profile: eu, config: {project_id: shop}}\n", "")(shop)
    append_groups(f"removed:\n  - {{group: orders, id: {orders}}}\n")(shop)
    assert list_scope(shop, server) == list_addresses("orders")
    commit(shop.folder, "with-removal")
    edit_groups("  sales:\n    destination: {profile: eu, config: {project_id: sales}}\n", "")(shop)
    edit_groups("removed:\n", f"removed:\n  - {{group: sales, id: {sales}}}\n")(shop)
    before = len(server.writes)
    options = ("--changed-since", "with-removal")
    result = shop.run_against(server, "apply", "--auto-approve", *options)
    assert result.exit == 0, result.stderr
    assert server.writes[before:] == [f"DELETE /v1/destinations/{sales}", f"DELETE /v1/groups/{sales}"]
    assert "Not managed" not in result.stdout


def test_a_missing_entry_is_still_an_error(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("  orders:\n    destination: {profile: eu, config: {project_id: shop}}\n", "")(shop)
    result = plan(shop, server)
    assert result.exit == 1
    assert "error[vanished]: group.orders is managed, and no spec declares it any more" in result.stderr


def test_a_missing_destination_is_still_an_error(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("\n    destination: {profile: eu, config: {project_id: shop}}\n", " {}\n")(shop)
    result = plan(shop, server)
    assert result.exit == 1
    assert "error[vanished]: destination.orders is managed" in result.stderr


def test_drift_of_an_unchanged_entry_is_out_of_scope(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("sales")
    server.app.dashboard.change_destination(id, region="GCP_US_WEST1")
    assert list_scope(shop, server) == set()


def test_outstanding_setup_tests_are_in_scope(shop: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/destinations/*/test status 500"))
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    assert shop.run_against(server, "apply", "--auto-approve").exit == 6
    server.app.faults.clear()
    commit(shop.folder, "tested-later")
    result = shop.run_against(server, "plan", "--changed-since", "tested-later")
    assert "? destination.orders" in result.stdout
    assert "· 0 of 4 groups changed since tested-later, 1 more unfinished ·" in result.stdout
    edit_groups("project_id: shop-2}", "project_id: shop-2}, setup_tests: {on_failure: warn}")(shop)
    commit(shop.folder, "not-demanded")
    result = shop.run_against(server, "plan", "--changed-since", "not-demanded")
    assert result.stdout.splitlines()[2] == "No changes."


def test_an_interrupted_entry_is_in_scope(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("orders")
    server.app.faults.add(parse_fault(f"PATCH /v1/destinations/{id} after-effect reset"))
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    shop.run_against(server, "apply", "--auto-approve")
    server.app.faults.clear()
    commit(shop.folder, "sent")
    result = shop.run_against(server, "plan", "--changed-since", "sent", "--format", "json")
    assert result.document["narrowed_to"]["unfinished"] == 1


def test_uncommitted_files_are_in_scope(shop: Project, server: EmulatedFivetran) -> None:
    shop.write_groups("  claims: {}\n", "claims")
    assert run_git(shop.folder, "status", "--porcelain") == "?? specs/groups/claims.yaml"
    assert list_scope(shop, server) == {"group.claims"}


@pytest.mark.parametrize(
    ("options", "expected", "summary"),
    [
        (("--target", "orders"), list_addresses("orders"), "2 of 4 groups changed since base, 1 in scope"),
        (("--exclude", "orders"), list_addresses("sales"), "2 of 4 groups changed since base, 1 in scope"),
        (("--target", "group.orders"), {"group.orders"}, "2 of 4 groups changed since base, 1 in scope"),
        (("--target", "stock"), set(), "2 of 4 groups changed since base, 0 in scope"),
    ],
)
def test_other_filters_narrow_the_scope_further(
    shop: Project, server: EmulatedFivetran, options: tuple[str, ...], expected: set[str], summary: str
) -> None:
    replace_text("specs/profiles.yaml", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2")(shop)
    assert list_scope(shop, server, *options) == expected
    assert f"· {summary} · read" in plan(shop, server, *options).stdout


def test_a_misspelled_filter_is_an_error(shop: Project, server: EmulatedFivetran) -> None:
    result = plan(shop, server, "--target", "ordres")
    assert result.exit == 1
    assert "error[unknown-target]" in result.stderr


def test_an_empty_scope_is_reported_and_succeeds(shop: Project, server: EmulatedFivetran) -> None:
    before = len(server.calls)
    result = plan(shop, server, "--detailed-exitcode")
    assert (result.exit, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "· 0 of 4 groups changed since base ·" in lines[0]
    assert lines[2:] == [
        "No changes.",
        "0 of 4 groups changed since base, so none was compared with the account",
    ]
    assert server.calls[before:] == ["GET /v1/account/info", "GET /v1/groups", "GET /v1/destinations"]


def test_apply_writes_changed_entries_only(shop: Project, server: EmulatedFivetran) -> None:
    [orders], [sales] = (server.app.dashboard.find_group_ids(key) for key in ("orders", "sales"))
    server.app.dashboard.change_destination(sales, region="GCP_US_WEST1")
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    before = len(server.writes)
    result = shop.run_against(server, "apply", "--auto-approve", "--changed-since", "base")
    assert result.exit == 0, result.stderr
    assert server.writes[before:] == [
        f"PATCH /v1/destinations/{orders}",
        f"POST /v1/destinations/{orders}/test",
    ]


def test_every_plan_format_names_its_scope(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    assert "· 1 of 4 groups changed since base · read" in plan(shop, server).stdout
    assert "· 1 of 4 groups changed since base · read" in plan(shop, server, "--format", "markdown").stdout
    document = plan(shop, server, "--format", "json").document
    assert document["narrowed_to"] == {
        "entries": 1,
        "of": 4,
        "since": "base",
        "changed": 1,
        "unfinished": 0,
        "merge_bases": [run_git(shop.folder, "rev-parse", "base")[:12]],
        "is_behind": False,
        "left_alone": 0,
    }
    document = shop.run_against(server, "plan", "--format", "json", "--target", "orders").document
    assert document["narrowed_to"] == {"entries": 1, "of": 4}
    assert shop.run_against(server, "plan", "--format", "json").document["narrowed_to"] is None


def test_drift_and_graph_can_be_narrowed_too(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    for key in ("orders", "sales"):
        [id] = server.app.dashboard.find_group_ids(key)
        server.app.dashboard.change_destination(id, region="GCP_US_WEST1")
    drift = shop.run_against(server, "drift", "--changed-since", "base", "--format", "json").document
    assert [each["address"] for each in drift["changes"]] == ["destination.orders"]
    graph = shop.run_against(server, "graph", "--changed-since", "base").stdout
    assert "orders" in graph
    assert "sales" not in graph
    assert shop.run("graph", "--offline", "--changed-since", "base").exit == 64


def test_a_branch_a_tag_and_a_commit_name_a_revision(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    commit(shop.folder, "later")
    for name in ("base", "HEAD~1", run_git(shop.folder, "rev-parse", "base"), "base^{commit}"):
        result = shop.run_against(server, "plan", "--changed-since", name)
        assert f"1 of 4 groups changed since {name}" in result.stdout


def test_the_project_is_found_from_another_working_directory(
    shop: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    (tmp_path / "link").symlink_to("specs")
    for name in (str(shop.folder / "specs/reconciler.yaml"), "link/reconciler.yaml"):
        assert "1 of 4 groups changed since base" in plan(shop, server, "--project", name).stdout


@pytest.mark.parametrize(
    "attributes",
    ["* export-ignore", "* text eol=crlf", "*.yaml filter=absent"],
)
def test_git_attributes_are_ignored(shop: Project, server: EmulatedFivetran, attributes: str) -> None:
    shop.write(".gitattributes", attributes + "\n")
    commit(shop.folder, "with-attributes")
    result = shop.run_against(server, "plan", "--changed-since", "with-attributes")
    assert "0 of 4 groups changed since with-attributes" in result.stdout


def test_links_between_specs_are_followed(shop: Project, server: EmulatedFivetran) -> None:
    groups = shop.folder / "specs/groups/main.yaml"
    groups.rename(shop.folder / "specs/all-groups")
    groups.symlink_to("../all-groups")
    (shop.folder / "specs/groups/out.yaml").symlink_to("/etc/passwd")
    commit(shop.folder, "with-links")
    (shop.folder / "specs/groups/out.yaml").unlink()
    replace_text("specs/all-groups", "project_id: shop", "project_id: shop-2")(shop)
    result = shop.run_against(server, "plan", "--changed-since", "with-links")
    assert "1 of 4 groups changed since with-links" in result.stdout, result.stderr


def test_the_repository_is_found_without_the_environment(
    shop: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    commit(other, "elsewhere")
    result = shop.run_against(
        server,
        "plan",
        "--changed-since",
        "base",
        environ={"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)},
    )
    assert "0 of 4 groups changed since base" in result.stdout


def test_a_checkout_of_another_user_is_read_if_trusted_by_the_environment(
    shop: Project,
    server: EmulatedFivetran,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    set_variables(monkeypatch, write_distrusting_git(tmp_path_factory.mktemp("git") / "bin"))
    refused = plan(shop, server)
    assert refused.exit == 1
    assert (
        "error[unknown-revision]: git does not trust the repository of `specs/reconciler.yaml`, "
        "so it reads no revision `base` of it"
    ) in refused.stderr
    assert "= note: git says: fatal: detected dubious ownership in repository at" in refused.stderr
    assert "= help: let git trust that folder: `git config --global --add safe.directory" in refused.stderr
    edit_groups("project_id: shop", "project_id: shop-2")(shop)
    set_variables(monkeypatch, trust(shop.folder))
    trusted = plan(shop, server)
    assert "1 of 4 groups changed since base" in trusted.stdout, trusted.stderr


def test_an_unfetchable_file_of_a_partial_clone_reports_the_error_of_git(
    shop: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    run_git(shop.folder, "config", "uploadpack.allowFilter", "true")
    clone = ("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{shop.folder}", "clone")
    run_git(shop.folder, *clone)
    run_git(shop.folder / "clone", "remote", "set-url", "origin", "ssh://git@git.example.invalid/shop.git")
    shutil.copytree(shop.folder / "specs", shop.folder / "clone" / "specs")
    ssh = tmp_path / "refusing-ssh"
    ssh.write_text("#!/bin/sh\necho 'Host key verification failed.' >&2; exit 255\n")
    ssh.chmod(0o755)
    result = shop.run_against(
        server,
        *("plan", "--changed-since", "base", "--project", "clone/specs/reconciler.yaml"),
        environ={"GIT_SSH_COMMAND": str(ssh)},
    )
    assert result.exit == 1
    assert "git cannot read `specs/reconciler.yaml` of revision `base`" in result.stderr
    assert "= note: git says: Host key verification failed." in result.stderr


# Unusable revisions


def read_plan_error(shop: Project, server: EmulatedFivetran, revision: str) -> str:
    """Read the error of a plan that fails before its first request."""
    before = len(server.calls)
    result = shop.run_against(server, "plan", "--changed-since", revision)
    assert (result.exit, result.stdout) == (1, "")
    assert server.calls[before:] == []
    assert result.stderr.count("error[") == 1
    return result.stderr


@pytest.mark.parametrize("revision", ["release", "base..HEAD", "base:specs", "HEAD~99", "0" * 40, "@{u}"])
def test_an_unknown_revision_is_an_error(shop: Project, server: EmulatedFivetran, revision: str) -> None:
    text = read_plan_error(shop, server, revision)
    assert (
        f"error[unknown-revision]: the git repository of `specs/reconciler.yaml` has no commit `{revision}`"
        in text
    )
    assert "= help: name a branch, a tag or a commit, such as `origin/main`" in text


@pytest.mark.parametrize("revision", ["--output=x", "-1", "", " "])
def test_a_git_option_is_refused_as_revision(shop: Project, server: EmulatedFivetran, revision: str) -> None:
    assert f"error[unknown-revision]: `{revision}` is not the name of a revision" in read_plan_error(
        shop, server, revision
    )
    assert not (shop.folder / "x").exists()


def test_a_remote_branch_is_suggested(shop: Project, server: EmulatedFivetran) -> None:
    run_git(shop.folder, "update-ref", "refs/remotes/origin/release", "HEAD")
    assert "= help: did you mean `origin/release`?" in read_plan_error(shop, server, "release")


def test_a_shallow_clone_is_reported(shop: Project, server: EmulatedFivetran) -> None:
    commit(shop.folder, "later")
    run_git(shop.folder, "clone", "-q", "--depth", "1", "--no-tags", f"file://{shop.folder}", "clone")
    result = shop.run_against(
        server, "plan", "--changed-since", "HEAD~1", "--project", "clone/specs/reconciler.yaml"
    )
    assert result.exit == 1
    assert "= note: this clone is shallow: it has only the last commits" in result.stderr
    assert "`fetch-depth: 0` for actions/checkout" in result.stderr


def test_a_folder_outside_a_repository_is_an_error(shop: Project, server: EmulatedFivetran) -> None:
    shutil.rmtree(shop.folder / ".git")
    text = read_plan_error(shop, server, "base")
    assert "error[unknown-revision]: `specs/reconciler.yaml` is in no git work tree" in text
    assert "= help: run this in a clone of the repository that the specs are in" in text


def test_missing_git_is_an_error(shop: Project, server: EmulatedFivetran, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    result = shop.run_against(
        server, "plan", "--changed-since", "base", environ={"PATH": str(tmp_path / "bin")}
    )
    assert result.exit == 1
    assert "error[unknown-revision]: revision `base` is read by git, which is not installed" in result.stderr


def test_a_revision_with_invalid_specs_is_an_error(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", "porject_id: shop")(shop)
    edit_groups("profile: us", "profile: un")(shop)
    commit(shop.folder, "broken")
    edit_groups("porject_id: shop", "project_id: shop")(shop)
    edit_groups("profile: un", "profile: us")(shop)
    text = read_plan_error(shop, server, "broken")
    assert "error[unusable-revision]: the specs of revision `broken` have errors" in text
    assert "= note: specs/groups/main.yaml@broken:9:28: no spec file defines a profile `un`" in text
    assert "name another revision than `broken`" in text


def test_a_revision_with_a_catalogue_error_is_refused(shop: Project, server: EmulatedFivetran) -> None:
    edit_groups("project_id: shop", "project_idd: shop")(shop)
    commit(shop.folder, "misspelt")
    edit_groups("project_idd: shop", "project_id: shop")(shop)
    assert "specs/groups/main.yaml@misspelt:5:41: service `big_query` has no config field" in read_plan_error(
        shop, server, "misspelt"
    )


def test_a_revision_without_the_project_file_is_refused(shop: Project, server: EmulatedFivetran) -> None:
    run_git(shop.folder, "mv", "specs/reconciler.yaml", "specs/old.yaml")
    run_git(shop.folder, "commit", "-q", "-m", "moved")
    shop.write("specs/reconciler.yaml", (shop.folder / "specs/old.yaml").read_text())
    text = read_plan_error(shop, server, "HEAD")
    assert "error[unusable-revision]: revision `HEAD` has no project file `specs/reconciler.yaml`" in text


def test_a_file_outside_the_repository_is_an_error(
    shop: Project, server: EmulatedFivetran, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = shutil.copy(shop.folder / "specs/profiles.yaml", tmp_path_factory.mktemp("outside"))
    edit_settings("profiles.yaml", str(outside))(shop)
    commit(shop.folder, "absolute")
    assert "names `/" in read_plan_error(shop, server, "absolute")


def test_an_absolute_path_into_the_repository_is_read_at_the_revision(
    shop: Project, server: EmulatedFivetran
) -> None:
    edit_settings("profiles.yaml", str(shop.folder / "specs/profiles.yaml"))(shop)
    commit(shop.folder, "absolute")
    replace_text("specs/profiles.yaml", "GCP_US_EAST4", "GCP_US_WEST1")(shop)
    result = shop.run_against(server, "plan", "--changed-since", "absolute", "--format", "json")
    assert [change["address"] for change in result.document["changes"]] == ["destination.stock"]


def test_a_json_plan_names_its_scope(shop: Project, server: EmulatedFivetran) -> None:
    result = shop.run_against(server, "plan", "--changed-since", "nowhere", "--format", "json")
    assert (result.exit, result.stderr) == (1, "")
    assert [each["code"] for each in result.document["diagnostics"]] == ["unknown-revision"]


# Size


@pytest.mark.long
def test_one_change_among_thousands_needs_one_read(project: Project, tmp_path: Path) -> None:
    pairs = 2_000
    database = tmp_path / "account.sqlite"
    write_project(project.folder, pairs, create_account(database, pairs), per_file=100)
    commit(project.folder, "main")
    replace_text("specs/groups/from_01200.yaml", "database: T_1234", "database: T_NEW")(project)
    with serve_fivetran(database=database) as server:
        environ = {"WAREHOUSE_PASSWORD": "password-of-the-warehouse"}
        result = project.run_against(server, "plan", "--changed-since", "main~0", environ=environ)
        assert result.exit == 0, result.stderr
        [id] = server.app.dashboard.find_group_ids("team_1234")
        lists = [call for call in server.calls if call in ("GET /v1/groups", "GET /v1/destinations")]
        assert server.calls == ["GET /v1/account/info", *lists, f"GET /v1/destinations/{id}"]
        assert len(lists) == 2 * pairs // 1_000  # a page has a thousand
    assert "1 of 2,000 groups changed since main~0 ·" in result.stdout
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in result.stdout
