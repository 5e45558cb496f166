"""Check that order of files and keys, locale, zone, hash seed and workers do not change a digest (S-50)."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import run
from destination_strategies import DestinationModel, destination_models, edited_models, write_block
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project

from reconciler.emulator.switches import Behaviour

RUNS = 10
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")
LOCALES = ("C", "C.UTF-8", "POSIX", "tr_TR.UTF-8", "de_DE.UTF-8")
LIST_ORDERS = ("creation", "id", "newest-first")


@dataclass
class Specs:
    """Entries and removals, which can be written in many layouts."""

    groups: dict[str, Any]
    removed: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, rng: random.Random | None = None) -> None:
        """Write a project into `folder`. With `rng` the layout is random."""
        shutil.rmtree(folder / "parts", ignore_errors=True)
        files = [{"version": 1, "groups": self.groups, "removed": self.removed}]
        if rng is not None:
            files = [self._part(rng, number) for number in range(rng.randrange(1, 5))]
            for key, entry in self.groups.items():
                rng.choice(files).setdefault("groups", {})[key] = entry
            for removal in self.removed:
                rng.choice(files).setdefault("removed", []).append(removal)
        project = {"version": 1, "specs": ["parts/**/*.yaml"], **self.settings}
        (folder / "reconciler.yaml").write_text(json.dumps(shuffle(project, rng)))
        for number, content in enumerate(files):
            depth = "deep/" * rng.randrange(3) if rng else ""
            name = f"{rng.randrange(10**6):06}" if rng else "main"
            file = folder / f"parts/{depth}{name}_{number}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            filled = {key: value for key, value in content.items() if value}
            indent = rng.choice([None, 1, 4]) if rng else None
            file.write_text(json.dumps(shuffle(filled, rng), ensure_ascii=False, indent=indent))

    def _part(self, rng: random.Random, number: int) -> dict[str, Any]:
        """Build a spec file that is never empty."""
        return {"version": 1, "profiles": {f"unused_{number}": {"region": "AWS_US_EAST_1"}}}


def shuffle(value: Any, rng: random.Random | None) -> Any:
    """Shuffle the keys of all mappings."""
    if rng is None or not isinstance(value, dict):
        return value
    items = [(key, shuffle(each, rng)) for key, each in value.items()]
    rng.shuffle(items)
    return dict(items)


@contextmanager
def use_random_environment(rng: random.Random) -> Iterator[None]:
    """Use a random time zone and locale in this process."""
    before = dict(os.environ)
    os.environ |= {"TZ": rng.choice(ZONES), "LC_ALL": rng.choice(LOCALES)}
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


@check_examples(
    st.data(), st.lists(destination_models(), min_size=2, max_size=4), st.integers(0, 2**32), few=5, many=20
)
def test_the_same_inputs_have_one_digest(
    data: st.DataObject, destinations: list[DestinationModel], seed: int
) -> None:
    rng = random.Random(seed)
    with open_project() as account:
        pairs = {f"pair_{number}": each for number, each in enumerate(destinations)}
        existing = dict(list(pairs.items())[: data.draw(st.integers(1, len(pairs)))])
        specs = Specs(write_blocks(account, data.draw, existing))
        specs.write(account.folder)
        account.reload_specs()
        account.apply()
        removed_id = account.app.dashboard.find_group_ids("pair_0")[0]
        wanted = {
            key: data.draw(edited_models(each)) if key in existing else each
            for key, each in pairs.items()
            if key != "pair_0"
        }
        specs = Specs(write_blocks(account, data.draw, wanted), [{"group": "pair_0", "id": removed_id}])
        specs.write(account.folder)
        account.reload_specs()
        planned = account.plan()
        digest = planned.plan.digest
        assert {str(change.action) for change in planned.plan.effective} >= {"delete"}
        for _ in range(RUNS):
            specs.write(account.folder, rng)
            account.reload_specs()
            account.app.behaviour = Behaviour(list_order=rng.choice(LIST_ORDERS))
            account.parallelism = rng.randrange(1, 17)
            with use_random_environment(rng):
                assert account.plan().plan.digest == digest


def write_blocks(
    account: InProcessProject, draw: Any, pairs: Mapping[str, DestinationModel]
) -> dict[str, Any]:
    return {
        key: {"destination": write_block(draw, each, key, account.secrets)} for key, each in pairs.items()
    }


@pytest.mark.long
def test_processes_with_any_hash_seed_locale_and_zone_have_one_digest(
    project: Project, server: EmulatedFivetran
) -> None:
    rng = random.Random(50)
    destination = {
        "service": "postgres_rds_warehouse",
        "region": "AWS_US_EAST_1",
        "time_zone_offset": "0",
        "config": {
            "host": "žluťoučký.example",
            "port": 5432,
            "database": "Iıİi",
            "user": "日本",
            "password": {"secret": "env:PASSWORD_OF_ALL"},
        },
        "trust": {"certificates": "any"},
    }
    settings = {"account_id": server.account_id, "limits": {"changed_fraction": 1.0, "deletes": 9}}
    groups = {f"pair_{number}": {"destination": destination} for number in range(6)}
    secrets = {"PASSWORD_OF_ALL": "canary-of-all-pairs"}
    Specs(groups, settings=settings).write(project.folder)
    options = ("--project", "reconciler.yaml")
    assert project.run_against(server, "apply", "--auto-approve", *options, environ=secrets).exit == 0
    removed = [
        {"group": f"pair_{number}", "id": server.app.dashboard.find_group_ids(f"pair_{number}")[0]}
        for number in (0, 1)
    ]
    for number in (0, 1):
        del groups[f"pair_{number}"]
    moved = {**destination, "config": {**destination["config"], "port": 5433, "database": "ẞß"}}  # type: ignore[dict-item]
    groups |= {"pair_2": {"destination": moved}, "pair_3": {"destination": moved}}
    groups |= {f"new_{number}": {"destination": moved} for number in range(4)}
    specs = Specs(groups, removed, settings)
    found = set()
    for seed in range(12):
        specs.write(project.folder, rng)
        workers = str(rng.randrange(1, 17))
        variables = {
            "PYTHONHASHSEED": str(rng.randrange(2**32)) if seed else "0",
            "LC_ALL": LOCALES[seed % len(LOCALES)],
            "TZ": ZONES[seed % len(ZONES)],
        }
        finished = run(
            "plan",
            "--format",
            "json",
            "--parallelism",
            workers,
            *options,
            directory=project.folder,
            **build_credentials(server.url),
            **secrets,
            **variables,
        )
        assert finished.code == 0, finished.err
        document = json.loads(finished.out)
        assert {change["action"] for change in document["changes"]} == {"create", "update", "delete"}
        found.add(document["digest"])
    assert len(found) == 1
