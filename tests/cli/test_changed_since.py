"""`--changed-since`: a plan of what a change of the specs comes to, however large the account is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.plan_many import create_account, write_project
from cli_harness import CommandResult, EmulatedFivetran, Project, serve_fivetran
from git_repo import commit, run_git, set_variables, trust, write_distrusting_git

from reconciler.emulator.fault_text import parse_fault

pytestmark = pytest.mark.sampled(every=6)

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


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit of one file."""

    def edit(project: Project) -> None:
        file = project.folder / name
        text = file.read_text()
        assert text.count(old) == 1
        project.write(name, text.replace(old, new))

    return edit


def in_groups(old: str, new: str) -> Edit:
    return replaced("specs/groups/main.yaml", old, new)


def in_settings(old: str, new: str) -> Edit:
    return replaced("specs/reconciler.yaml", old, new)


def added(text: str) -> Edit:
    """More lines at the end of the groups."""
    return in_groups("  audit: {}\n", "  audit: {}\n" + text)


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


def scope(project: Project, server: EmulatedFivetran, *options: str) -> set[str]:
    """The addresses that a plan is about, changed or not."""
    result = plan(project, server, "--format", "json", *options)
    assert result.exit == 0, result.stdout + result.stderr
    document = result.document
    parts = ("changes", "unchanged", "adopted", "forgotten")
    return {each["address"] for part in parts for each in document[part]}


def pair(*keys: str) -> set[str]:
    return {f"{kind}.{key}" for kind in ("group", "destination") for key in keys}


NOTHING_MEANT = {
    "nothing": lambda project: None,
    "a comment": in_groups("# the shop", "# the shop, since 2019"),
    "the order of entries": lambda project: (
        in_groups("  audit: {}\n", "")(project),
        in_groups("groups:\n", "groups:\n  audit: {}\n")(project),
    ),
    "flow and block style": in_groups(
        "destination: {profile: us, config: {project_id: stock}}",
        "destination:\n      config:\n        project_id: 'stock'\n      profile: us",
    ),
    "where an entry stands": lambda project: (
        in_groups("  stock:\n    destination: {profile: us, config: {project_id: stock}}\n", "")(project),
        project.write_groups(
            "  stock:\n    destination: {profile: us, config: {project_id: stock}}\n", "stock"
        ),
    ),
    "a default that is written out": in_groups(
        "{profile: eu, config: {project_id: shop}}",
        '{profile: eu, time_zone_offset: "0", config: {project_id: shop}}',
    ),
    "a profile that nobody takes": replaced("specs/profiles.yaml", "profiles:\n", "profiles:\n  it: {}\n"),
    "a value that an override hides": in_groups("project_id: stock}", "project_id: stock-dev}"),
    "settings of the project": in_settings("deletes: 9", "deletes: 8"),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize("edit", NOTHING_MEANT.values(), ids=NOTHING_MEANT)
def test_what_comes_to_the_same_is_not_in_scope(shop: Project, server: EmulatedFivetran, edit: Edit) -> None:
    edit(shop)
    assert scope(shop, server) == set()


MEANT = {
    "a field of a destination": (in_groups("project_id: shop", "project_id: shop-2"), pair("orders")),
    "a field that is new": (
        in_groups("project_id: sales}", "project_id: sales, bucket: b}"),
        pair("sales"),
    ),
    "a field that is gone": (
        in_groups("{profile: eu, config: {project_id: shop}}", "{profile: eu}"),
        pair("orders"),
    ),
    "another type of the same value": (
        in_groups("project_id: shop}", "project_id: shop, is_x: 1}"),
        pair("orders"),
    ),
    "a name": (in_groups("  sales:\n", "  sales:\n    name: Sales\n"), pair("sales")),
    "a new entry": (added("  claims: {}\n"), {"group.claims"}),
    "a new pair": (added("  claims:\n    destination: {config: {project_id: c}}\n"), pair("claims")),
    "a destination for a group": (
        in_groups("audit: {}", "audit: {destination: {config: {project_id: c}}}"),
        pair("audit"),
    ),
    "another profile": (in_groups("{profile: us", "{profile: eu"), pair("stock")),
    "a profile": (
        replaced("specs/profiles.yaml", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        pair("orders", "sales"),
    ),
    "a default": (in_settings('"0"', '"+1"'), pair("orders", "sales", "stock")),
    "an override": (replaced("specs/prod.yaml", "stock-prod", "stock-live"), pair("stock")),
    "an override that is gone": (in_settings("overrides: [prod.yaml]\n", ""), pair("stock")),
    "trust": (
        in_groups("project_id: shop}", "project_id: shop}, trust: {certificates: any}"),
        pair("orders"),
    ),
    "setup tests": (
        in_groups("project_id: shop}", "project_id: shop}, setup_tests: {run: false}"),
        pair("orders"),
    ),
    "protection": (
        in_groups("project_id: shop}", "project_id: shop}, lifecycle: {protected: true}"),
        pair("orders"),
    ),
    "permission to replace": (
        in_groups("project_id: shop}", "project_id: shop}, lifecycle: {allow_replace: true}"),
        pair("orders"),
    ),
    "what is ignored": (
        in_groups("project_id: shop}", "project_id: shop}, lifecycle: {ignore_changes: [config.project_id]}"),
        pair("orders"),
    ),
    "another key": (in_groups("  sales:\n", "  trade:\n    was: sales\n"), pair("trade")),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("edit", "expected"), MEANT.values(), ids=MEANT)
def test_what_comes_to_something_else_is_in_scope(
    shop: Project, server: EmulatedFivetran, edit: Edit, expected: set[str]
) -> None:
    edit(shop)
    assert scope(shop, server) == expected


def test_values_are_told_apart_by_type(shop: Project, server: EmulatedFivetran) -> None:
    at = "project_id: shop"
    in_groups(at, f"{at}, is_new: true")(shop)
    commit(shop.folder, "with-true")
    in_groups("is_new: true", "is_new: 1")(shop)
    document = shop.run_against(
        server, "plan", "--changed-since", "with-true", "--secrets", "skip", "--format", "json"
    ).document
    assert document["narrowed_to"]["changed"] == 1


def test_an_id_that_is_written_down_is_a_change(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("orders")
    in_groups("  orders:\n", f"  orders:\n    id: {id}\n")(shop)
    assert scope(shop, server) == pair("orders")


def test_a_reference_that_names_something_else_is_a_change(shop: Project, server: EmulatedFivetran) -> None:
    in_groups("project_id: shop", 'project_id: {value: "env:SHOP"}')(shop)
    commit(shop.folder, "with-reference")
    in_groups('{value: "env:SHOP"}', '{secret: "env:SHOP"}')(shop)
    result = shop.run_against(
        server, "plan", "--changed-since", "with-reference", "--secrets", "skip", "--format", "json"
    )
    assert result.document["narrowed_to"]["changed"] == 1


def test_a_removal_that_was_added_is_in_scope_and_an_old_one_is_not(
    shop: Project, server: EmulatedFivetran
) -> None:
    [orders], [sales] = (server.app.dashboard.find_group_ids(key) for key in ("orders", "sales"))
    in_groups("  orders:\n    destination: {profile: eu, config: {project_id: shop}}\n", "")(shop)
    added(f"removed:\n  - {{group: orders, id: {orders}}}\n")(shop)
    assert scope(shop, server) == pair("orders")
    commit(shop.folder, "with-removal")
    in_groups("  sales:\n    destination: {profile: eu, config: {project_id: sales}}\n", "")(shop)
    in_groups("removed:\n", f"removed:\n  - {{group: sales, id: {sales}}}\n")(shop)
    before = len(server.writes)
    options = ("--changed-since", "with-removal")
    result = shop.run_against(server, "apply", "--auto-approve", *options)
    assert result.exit == 0, result.stderr
    assert server.writes[before:] == [f"DELETE /v1/destinations/{sales}", f"DELETE /v1/groups/{sales}"]
    assert "Not managed" not in result.stdout


def test_an_entry_that_vanished_is_still_an_error(shop: Project, server: EmulatedFivetran) -> None:
    in_groups("  orders:\n    destination: {profile: eu, config: {project_id: shop}}\n", "")(shop)
    result = plan(shop, server)
    assert result.exit == 1
    assert "error[vanished]: group.orders is managed, and no spec declares it any more" in result.stderr


def test_a_destination_that_vanished_is_still_an_error(shop: Project, server: EmulatedFivetran) -> None:
    in_groups("\n    destination: {profile: eu, config: {project_id: shop}}\n", " {}\n")(shop)
    result = plan(shop, server)
    assert result.exit == 1
    assert "error[vanished]: destination.orders is managed" in result.stderr


def test_drift_of_what_did_not_change_is_left_alone(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("sales")
    server.app.dashboard.change_destination(id, region="GCP_US_WEST1")
    assert scope(shop, server) == set()


def test_tests_that_have_not_passed_are_in_scope(shop: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/destinations/*/test status 500"))
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    assert shop.run_against(server, "apply", "--auto-approve").exit == 6
    server.app.faults.clear()
    commit(shop.folder, "tested-later")
    result = shop.run_against(server, "plan", "--changed-since", "tested-later")
    assert "? destination.orders" in result.stdout
    assert "· 0 of 4 groups changed since tested-later, 1 more unfinished ·" in result.stdout
    in_groups("project_id: shop-2}", "project_id: shop-2}, setup_tests: {on_failure: warn}")(shop)
    commit(shop.folder, "not-demanded")
    result = shop.run_against(server, "plan", "--changed-since", "not-demanded")
    assert result.stdout.splitlines()[2] == "No changes."


def test_what_was_interrupted_is_in_scope(shop: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("orders")
    server.app.faults.add(parse_fault(f"PATCH /v1/destinations/{id} after-effect reset"))
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    shop.run_against(server, "apply", "--auto-approve")
    server.app.faults.clear()
    commit(shop.folder, "sent")
    result = shop.run_against(server, "plan", "--changed-since", "sent", "--format", "json")
    assert result.document["narrowed_to"]["unfinished"] == 1


def test_uncommitted_files_count(shop: Project, server: EmulatedFivetran) -> None:
    shop.write_groups("  claims: {}\n", "claims")
    assert run_git(shop.folder, "status", "--porcelain") == "?? specs/groups/claims.yaml"
    assert scope(shop, server) == {"group.claims"}


@pytest.mark.parametrize(
    ("options", "expected", "told"),
    [
        (("--target", "orders"), pair("orders"), "2 of 4 groups changed since base, 1 in scope"),
        (("--exclude", "orders"), pair("sales"), "2 of 4 groups changed since base, 1 in scope"),
        (("--target", "group.orders"), {"group.orders"}, "2 of 4 groups changed since base, 1 in scope"),
        (("--target", "stock"), set(), "2 of 4 groups changed since base, 0 in scope"),
    ],
)
def test_other_filters_narrow_it_further(
    shop: Project, server: EmulatedFivetran, options: tuple[str, ...], expected: set[str], told: str
) -> None:
    replaced("specs/profiles.yaml", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2")(shop)
    assert scope(shop, server, *options) == expected
    assert f"· {told} · read" in plan(shop, server, *options).stdout


def test_a_filter_with_a_slip_is_an_error_here_too(shop: Project, server: EmulatedFivetran) -> None:
    result = plan(shop, server, "--target", "ordres")
    assert result.exit == 1
    assert "error[unknown-target]" in result.stderr


def test_nothing_changed_is_no_error_and_is_told(shop: Project, server: EmulatedFivetran) -> None:
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


def test_apply_carries_out_only_what_changed(shop: Project, server: EmulatedFivetran) -> None:
    [orders], [sales] = (server.app.dashboard.find_group_ids(key) for key in ("orders", "sales"))
    server.app.dashboard.change_destination(sales, region="GCP_US_WEST1")
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    before = len(server.writes)
    result = shop.run_against(server, "apply", "--auto-approve", "--changed-since", "base")
    assert result.exit == 0, result.stderr
    assert server.writes[before:] == [
        f"PATCH /v1/destinations/{orders}",
        f"POST /v1/destinations/{orders}/test",
    ]


def test_every_form_of_a_plan_says_what_it_is_about(shop: Project, server: EmulatedFivetran) -> None:
    in_groups("project_id: shop", "project_id: shop-2")(shop)
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
    in_groups("project_id: shop", "project_id: shop-2")(shop)
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
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    commit(shop.folder, "later")
    for name in ("base", "HEAD~1", run_git(shop.folder, "rev-parse", "base"), "base^{commit}"):
        result = shop.run_against(server, "plan", "--changed-since", name)
        assert f"1 of 4 groups changed since {name}" in result.stdout


def test_the_project_may_be_named_from_anywhere(
    shop: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    (tmp_path / "link").symlink_to("specs")
    for name in (str(shop.folder / "specs/reconciler.yaml"), "link/reconciler.yaml"):
        assert "1 of 4 groups changed since base" in plan(shop, server, "--project", name).stdout


@pytest.mark.parametrize(
    "attributes",
    ["* export-ignore", "* text eol=crlf", "*.yaml filter=absent"],
)
def test_attributes_of_files_do_not_matter(shop: Project, server: EmulatedFivetran, attributes: str) -> None:
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
    replaced("specs/all-groups", "project_id: shop", "project_id: shop-2")(shop)
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


def test_a_checkout_of_another_user_is_read_if_the_environment_trusts_it(
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
    in_groups("project_id: shop", "project_id: shop-2")(shop)
    set_variables(monkeypatch, trust(shop.folder))
    trusted = plan(shop, server)
    assert "1 of 4 groups changed since base" in trusted.stdout, trusted.stderr


def test_the_reason_for_files_that_a_partial_clone_cannot_fetch_is_git_s_own(
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


# What is wrong with the revision


def told(shop: Project, server: EmulatedFivetran, revision: str) -> str:
    """What a plan says that cannot be made; it must call nobody."""
    before = len(server.calls)
    result = shop.run_against(server, "plan", "--changed-since", revision)
    assert (result.exit, result.stdout) == (1, "")
    assert server.calls[before:] == []
    assert result.stderr.count("error[") == 1
    return result.stderr


@pytest.mark.parametrize("revision", ["release", "base..HEAD", "base:specs", "HEAD~99", "0" * 40, "@{u}"])
def test_a_revision_that_git_does_not_have(shop: Project, server: EmulatedFivetran, revision: str) -> None:
    text = told(shop, server, revision)
    assert (
        f"error[unknown-revision]: the git repository of `specs/reconciler.yaml` has no commit `{revision}`"
        in text
    )
    assert "= help: name a branch, a tag or a commit, such as `origin/main`" in text


@pytest.mark.parametrize("revision", ["--output=x", "-1", "", " "])
def test_an_option_of_git_is_no_revision(shop: Project, server: EmulatedFivetran, revision: str) -> None:
    assert f"error[unknown-revision]: `{revision}` is not the name of a revision" in told(
        shop, server, revision
    )
    assert not (shop.folder / "x").exists()


def test_a_branch_of_somebody_else_is_suggested(shop: Project, server: EmulatedFivetran) -> None:
    run_git(shop.folder, "update-ref", "refs/remotes/origin/release", "HEAD")
    assert "= help: did you mean `origin/release`?" in told(shop, server, "release")


def test_a_shallow_clone_is_told(shop: Project, server: EmulatedFivetran) -> None:
    commit(shop.folder, "later")
    run_git(shop.folder, "clone", "-q", "--depth", "1", "--no-tags", f"file://{shop.folder}", "clone")
    result = shop.run_against(
        server, "plan", "--changed-since", "HEAD~1", "--project", "clone/specs/reconciler.yaml"
    )
    assert result.exit == 1
    assert "= note: this clone is shallow: it has only the last commits" in result.stderr
    assert "`fetch-depth: 0` for actions/checkout" in result.stderr


def test_a_folder_that_is_in_no_repository(shop: Project, server: EmulatedFivetran) -> None:
    shutil.rmtree(shop.folder / ".git")
    text = told(shop, server, "base")
    assert "error[unknown-revision]: `specs/reconciler.yaml` is in no git work tree" in text
    assert "= help: run this in a clone of the repository that the specs are in" in text


def test_git_that_is_not_installed(shop: Project, server: EmulatedFivetran, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    result = shop.run_against(
        server, "plan", "--changed-since", "base", environ={"PATH": str(tmp_path / "bin")}
    )
    assert result.exit == 1
    assert "error[unknown-revision]: revision `base` is read by git, which is not installed" in result.stderr


def test_a_revision_whose_specs_are_not_in_order(shop: Project, server: EmulatedFivetran) -> None:
    in_groups("project_id: shop", "porject_id: shop")(shop)
    in_groups("profile: us", "profile: un")(shop)
    commit(shop.folder, "broken")
    in_groups("porject_id: shop", "project_id: shop")(shop)
    in_groups("profile: un", "profile: us")(shop)
    text = told(shop, server, "broken")
    assert "error[unusable-revision]: the specs of revision `broken` have errors" in text
    assert "= note: specs/groups/main.yaml@broken:9:28: no spec file defines a profile `un`" in text
    assert "name another revision than `broken`" in text


def test_a_revision_with_a_mistake_that_only_the_catalogue_finds(
    shop: Project, server: EmulatedFivetran
) -> None:
    in_groups("project_id: shop", "project_idd: shop")(shop)
    commit(shop.folder, "misspelt")
    in_groups("project_idd: shop", "project_id: shop")(shop)
    assert "specs/groups/main.yaml@misspelt:5:41: service `big_query` has no config field" in told(
        shop, server, "misspelt"
    )


def test_a_revision_before_the_project(shop: Project, server: EmulatedFivetran) -> None:
    run_git(shop.folder, "mv", "specs/reconciler.yaml", "specs/old.yaml")
    run_git(shop.folder, "commit", "-q", "-m", "moved")
    shop.write("specs/reconciler.yaml", (shop.folder / "specs/old.yaml").read_text())
    text = told(shop, server, "HEAD")
    assert "error[unusable-revision]: revision `HEAD` has no project file `specs/reconciler.yaml`" in text


def test_a_file_that_git_does_not_keep(shop: Project, server: EmulatedFivetran, tmp_path: Path) -> None:
    in_settings("profiles.yaml", str(tmp_path / "specs/profiles.yaml"))(shop)
    commit(shop.folder, "absolute")
    assert "names `/" in told(shop, server, "absolute")


def test_a_plan_for_programs_says_it_too(shop: Project, server: EmulatedFivetran) -> None:
    result = shop.run_against(server, "plan", "--changed-since", "nowhere", "--format", "json")
    assert (result.exit, result.stderr) == (1, "")
    assert [each["code"] for each in result.document["diagnostics"]] == ["unknown-revision"]


# Size


@pytest.mark.long
def test_one_change_among_thousands_costs_one_read(project: Project, tmp_path: Path) -> None:
    pairs = 2_000
    database = tmp_path / "account.sqlite"
    write_project(project.folder, pairs, create_account(database, pairs))
    commit(project.folder, "main")
    replaced("specs/groups/from_01200.yaml", "database: T_1234", "database: T_NEW")(project)
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
