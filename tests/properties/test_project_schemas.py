"""Laws of the schemas of a project: they accept what `validate --strict` accepts, and refuse unknown fields.

A project has defaults, profiles, entries and overrides. Each of them may name a service, drop it or leave it open, in
every combination; the model knows which service an entry has in the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from hypothesis_settings import check_examples
from jsonschema import Draft202012Validator

from reconciler.kinds.project_services import find_services
from reconciler.model.diagnostic import ReconcilerError, select_errors
from reconciler.operations.schema import SPEC, build_schema
from reconciler.spec.load import LoadedProject, load
from reconciler.workspace.specs import compile_specs

Draw = Callable[[st.SearchStrategy[Any]], Any]
Block = dict[str, Any]

FIELDS = {
    "snowflake": ("host", "database", "role"),
    "big_query": ("project_id", "data_set_location", "bucket"),
    "postgres_warehouse": ("host", "database", "user"),
    "clickhouse": ("host", "zz_anything"),
}
"""Services with some of their fields that take any text. A `clickhouse` may have fields of any name."""
CHECKED = ("snowflake", "big_query", "postgres_warehouse")
PROFILES = ("a", "b", "c")
UNSET = {"unset": True}
UNKNOWN = "zz_unknown_field"

services = st.none() | st.sampled_from([*FIELDS])
layer_services = services | st.just(UNSET)


@dataclass(frozen=True)
class ProjectModel:
    """Project by its blocks. `entries` have one or more layers each: the spec file first, then override files."""

    defaults: Block
    profiles: Mapping[str, Block]
    entries: Mapping[str, tuple[Block, ...]]

    def find_service(self, key: str) -> str | None:
        """Find the service that an entry has in the end."""
        layers = self.entries[key]
        profile = next((layer["profile"] for layer in reversed(layers) if "profile" in layer), None)
        bases = [self.defaults] if profile is None else [self.defaults, self.profiles[profile]]
        service = next(
            (block["service"] for block in reversed([*bases, *layers]) if "service" in block), None
        )
        return None if service == UNSET else service

    @property
    def files(self) -> dict[str, Block]:
        """Spec and override files by name. They are JSON, which YAML parses too."""
        depth = max(len(layers) for layers in self.entries.values())
        layered = [
            {key: {"destination": layers[at]} for key, layers in self.entries.items() if len(layers) > at}
            for at in range(depth)
        ]
        main, *overrides = ({"version": 1, "groups": groups} for groups in layered)
        main |= {"profiles": dict(self.profiles)} if self.profiles else {}
        return {"main.json": main} | {f"over{at}.json": file for at, file in enumerate(overrides)}

    def load(self, folder: Path) -> LoadedProject:
        files = self.files
        project = {"version": 1, "specs": ["main.json"], "overrides": sorted(files.keys() - {"main.json"})}
        project |= {"defaults": {"destination": self.defaults}} if self.defaults else {}
        for name, content in {**files, "reconciler.yaml": project}.items():
            (folder / name).write_text(json.dumps(content))
        return load(folder / "reconciler.yaml", folder)


def draw_config(draw: Draw, service: str | None) -> Block:
    names = FIELDS.get(service or "", ())
    chosen = draw(st.sets(st.sampled_from(names))) if names else set()
    return {"config": dict.fromkeys(sorted(chosen), "x")} if chosen else {}


def draw_block(draw: Draw, service: Any) -> Block:
    return {"service": service} if service is not None else {}


@st.composite
def project_models(draw: Draw) -> ProjectModel:
    """Draw a project whose entries declare fields of their final services. Defaults and profiles declare few fields, so
    that most projects are valid."""
    defaults = draw_block(draw, draw(services))
    profiles = {}
    for name in draw(st.sets(st.sampled_from(PROFILES))):
        service = draw(layer_services)
        config = draw_config(draw, service) if isinstance(service, str) and draw(st.booleans()) else {}
        profiles[name] = draw_block(draw, service) | config
    entries = {}
    for key in ("one", "two", "three")[: draw(st.integers(1, 3))]:
        layers = []
        for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
            block = draw_block(draw, draw(layer_services))
            if profiles and draw(st.booleans()):
                block["profile"] = draw(st.sampled_from(sorted(profiles)))
            layers.append(block)
        entries[key] = tuple(layers)
    model = ProjectModel(defaults, profiles, entries)
    return ProjectModel(
        defaults,
        profiles,
        {
            key: tuple(block | draw_config(draw, model.find_service(key)) for block in layers)
            for key, layers in entries.items()
        },
    )


def build_validator(loaded: LoadedProject) -> Draft202012Validator:
    return Draft202012Validator(build_schema(SPEC, find_services(loaded)))


def is_valid(loaded: LoadedProject) -> bool:
    """Return whether `validate --strict` accepts a project."""
    try:
        compile_specs(loaded, strict=True)
    except ReconcilerError:
        return False
    return True


@check_examples(project_models(), few=60, many=600)
def test_the_schema_accepts_what_validate_accepts(model: ProjectModel) -> None:
    with TemporaryDirectory() as folder:
        loaded = model.load(Path(folder))
        if is_valid(loaded):
            validator = build_validator(loaded)
            for content in model.files.values():
                validator.validate(content)


@check_examples(project_models(), st.data(), few=60, many=600)
def test_the_schema_refuses_fields_that_the_final_service_lacks(model: ProjectModel, data: Any) -> None:
    key = data.draw(st.sampled_from(sorted(model.entries)))
    at = data.draw(st.integers(0, len(model.entries[key]) - 1))
    layers = list(model.entries[key])
    layers[at] = layers[at] | {"config": {**layers[at].get("config", {}), UNKNOWN: "x"}}
    changed = ProjectModel(model.defaults, model.profiles, {**model.entries, key: tuple(layers)})
    with TemporaryDirectory() as folder:
        loaded = changed.load(Path(folder))
        if select_errors(loaded.findings):
            return
        validator = build_validator(loaded)
    name = "main.json" if at == 0 else f"over{at - 1}.json"
    entry = {"version": 1, "groups": {key: {"destination": layers[at]}}}
    assert entry["groups"][key] == changed.files[name]["groups"][key]
    assert validator.is_valid(entry) is (changed.find_service(key) not in CHECKED)
