"""`reconciler import --from-terraform`: states that Terraform wrote, against the account that it made."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from secret_leak_detector import get_detector
from terraform_states import FOLDER, SECRETS, make_pair, make_state

from reconciler.emulator.seed import Seed
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

IDS = {
    "warehouse": "courier_timber",
    "sales_de": "gentle_ivory",
    "sales_fr": "tranquil_mulberry",
    "sales_nord_and_sued": "fathom_pastel",
    "shard_0": "patient_rambling",
    "shard_1": "pumpkin_island",
    "shard_2": "cotton_inkwell",
    "region_eu_this": "mirror_sparrow",
    "region_us_this": "arrow_robust",
}


@pytest.fixture(autouse=True)
def terraform_account(server: EmulatedFivetran) -> EmulatedFivetran:
    """Load the account that Terraform made. Its secrets must not appear anywhere."""
    server.app.load_seed(Seed.model_validate(json.loads((FOLDER / "account.json").read_text())))
    for secret in SECRETS:
        get_detector().add_secret("secret of a Terraform state", secret)
    return server


def write_state(folder: Path, data: bytes) -> str:
    """Write a state outside the project."""
    file = folder.parent / "copy.tfstate"
    file.write_bytes(data)
    return str(file)


def import_state(project: Project, server: EmulatedFivetran, *arguments: str) -> CommandResult:
    """Import the recorded state."""
    return project.run_against(server, "import", "--from-terraform", str(FOLDER / "state.json"), *arguments)


def read_ids(project: Project) -> dict[str, str]:
    """Read the ids of all entries by key."""
    ids = {}
    for file in sorted((project.folder / "specs/groups").glob("*.yaml")):
        document = to_plain(parse(file.read_text(), file.name))
        assert isinstance(document, dict)
        ids |= {key: entry["id"] for key, entry in document["groups"].items()}
    return ids


@pytest.mark.parametrize("name", ["state.json", "show.json"])
def test_everything_that_terraform_manages_is_imported_under_its_names(
    project: Project, server: EmulatedFivetran, name: str
) -> None:
    result = project.run_against(server, "import", "--from-terraform", str(FOLDER / name))
    assert result.exit == 0, result.stdout + result.stderr
    assert read_ids(project) == IDS
    assert server.writes == []
    plan = project.run_against(server, "plan", "--secrets", "skip", "--detailed-exitcode", "--format", "json")
    assert plan.exit == 0
    assert (plan.document["changes"], plan.document["counts"]["adopt"]) == ([], 18)
    assert "from = fivetran_group.sales\n" in result.stdout
    assert "state rm" not in result.stdout
    assert result.stdout.rstrip().endswith("leaves all others alone. Then apply.")


def test_values_come_from_the_account_and_not_from_the_state(
    project: Project, server: EmulatedFivetran
) -> None:
    state = (FOLDER / "state.json").read_bytes().replace(b'"shard0.example.com"', b'"of-the-state.example"')
    file = write_state(project.folder, state.replace(b'"Shard 0"', b'"Name of the state"'))
    assert project.run_against(server, "import", "--from-terraform", file).exit == 0
    text = (project.folder / "specs/groups/redshift.yaml").read_text()
    assert "host: shard0.example.com" in text
    assert "name: Shard 0" in text
    assert "of-the-state" not in text


def test_options_that_only_terraform_knows_are_declared(project: Project, server: EmulatedFivetran) -> None:
    state = (FOLDER / "state.json").read_bytes()
    without_tests = state.replace(b'"run_setup_tests": true', b'"run_setup_tests": false')
    file = write_state(project.folder, without_tests)
    assert project.run_against(server, "import", "--from-terraform", file).exit == 0
    texts = [each.read_text() for each in (project.folder / "specs/groups").glob("*.yaml")]
    assert sum(text.count("      setup_tests: {run: false}\n") for text in texts) == 9
    assert sum(text.count("      trust:\n        certificates: any\n") for text in texts) == 1
    # Terraform switched the tests off, and not the import.
    assert "Setup tests are off" not in "".join(texts)


def test_a_state_comes_from_standard_input(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (FOLDER / "show.json").read_text().encode("utf-16")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    result = project.run_against(server, "import", "--from-terraform", "-")
    assert result.exit == 0, result.stderr
    assert read_ids(project) == IDS


def test_a_selector_of_a_group_outside_the_state_is_an_error_and_the_others_are_imported(
    project: Project, server: EmulatedFivetran
) -> None:
    server.post("/groups", {"name": "By hand"})
    result = import_state(project, server, "By hand", IDS["warehouse"])
    assert result.exit == 1
    assert read_ids(project) == {"warehouse": IDS["warehouse"]}
    assert "no group of the Terraform state is named by `By hand`" in result.stderr
    assert "= help: import it without `--from-terraform`" in result.stderr
    assert import_state(project, server, "nothing").stderr.count("no group of this account is named") == 1


def test_groups_outside_the_state_are_left_alone(project: Project, server: EmulatedFivetran) -> None:
    server.post("/groups", {"name": "By hand"})
    result = import_state(project, server)
    assert result.exit == 0
    assert read_ids(project) == IDS
    assert "Not managed: 1 group" in result.stdout


def test_half_of_a_for_each_is_released_by_instance_and_the_rest_as_a_whole(
    project: Project, server: EmulatedFivetran
) -> None:
    first = import_state(project, server, "Sales de")
    assert first.exit == 0
    assert read_ids(project) == {"sales_de": "gentle_ivory"}
    assert 'from = fivetran_group.sales["de"]' in first.stdout
    assert "terraform state rm 'fivetran_group.sales[\"de\"]'" in first.stdout
    assert "from = fivetran_group.sales\n" not in first.stdout
    rest = import_state(project, server)
    assert read_ids(project) == IDS
    assert "from = fivetran_group.sales\n" in rest.stdout
    assert "state rm" not in rest.stdout
    again = import_state(project, server)
    assert again.exit == 0
    assert "from = fivetran_group.sales\n" in again.stdout


def test_the_document_has_the_steps(project: Project, server: EmulatedFivetran) -> None:
    document = import_state(project, server, "Warehouse", "--format", "json").document
    assert document["terraform"]["removed"] == ["fivetran_destination.warehouse", "fivetran_group.warehouse"]
    assert document["terraform"]["group_ids"] == {"warehouse": "courier_timber"}
    assert "terraform" not in project.run_against(server, "import", "--format", "json").document


def test_a_dry_run_shows_the_steps_and_writes_nothing(project: Project, server: EmulatedFivetran) -> None:
    result = import_state(project, server, "--dry-run")
    assert result.exit == 0
    assert "from = fivetran_group.sales\n" in result.stdout
    assert not (project.folder / "specs/groups").exists()


def test_a_group_whose_key_is_taken_is_left_out_and_not_released(
    project: Project, server: EmulatedFivetran
) -> None:
    project.write_groups("  warehouse: {id: other_id}\n")
    result = import_state(project, server)
    assert result.exit == 1
    assert "the specs have the key `warehouse` already" in result.stderr
    assert read_ids(project) == {**IDS, "warehouse": "other_id"}
    assert "from = fivetran_group.warehouse" not in result.stdout


def test_a_group_that_the_account_does_not_show_is_an_error_beside_the_others(
    project: Project, server: EmulatedFivetran
) -> None:
    pairs = [*make_pair("here", {None: "courier_timber"}), *make_pair("gone", {None: "lost_id"})]
    result = project.run_against(
        server, "import", "--from-terraform", write_state(project.folder, make_state(pairs))
    )
    assert result.exit == 1
    assert "error[terraform-id-missing]: the account does not show the group `lost_id`" in result.stderr
    assert read_ids(project) == {"here": "courier_timber"}
    assert "from = fivetran_group.gone" not in result.stdout


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (make_state(make_pair("gone", {None: "lost_id"})), "terraform-id-missing"),
        (make_state([]), "terraform-nothing-managed"),
        (make_state(make_pair("a", {"x": "courier_timber", "y": "courier_timber"})), "terraform-id-twice"),
        ((FOLDER / "state.json").read_bytes()[:5000], "terraform-state-unusable"),
    ],
)
def test_an_unusable_state_writes_nothing(
    project: Project, server: EmulatedFivetran, data: bytes, code: str
) -> None:
    file = write_state(project.folder, data)
    result = project.run_against(server, "import", "--from-terraform", file)
    assert result.exit == 1
    assert f"error[{code}]: " in result.stderr
    assert result.stdout == ""
    assert not (project.folder / "specs/groups").exists()


def test_a_terminal_is_no_state(
    project: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    result = project.run_against(server, "import", "--from-terraform", "-")
    assert result.exit == 64
    assert "pipe the state: `terraform show -json | reconciler import --from-terraform -`" in result.stderr
    assert server.calls == []


def test_the_ids_of_the_state_fit_the_terraform_that_stays(
    project: Project, server: EmulatedFivetran
) -> None:
    project.write(
        "specs/reconciler.yaml", f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
    )
    imported = import_state(project, server, "--format", "json").document["terraform"]["group_ids"]
    assert project.run_against(server, "apply", "--secrets", "skip", "--auto-approve").exit == 0
    assert server.writes == []
    listed = project.run("state", "list", "--format", "json").document["groups"]
    assert listed == IDS
    assert imported.items() <= listed.items()
