"""Parse documents of Terraform: a state of format 4, and the output of `terraform show -json`.

Both become the same objects. Their attributes hold secrets in clear: nothing keeps them, and no error shows them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, Field, PlainValidator, StrictInt, ValidationError

from reconciler.importing.terraform_address import InstanceKey, ModuleStep, TerraformAddress, parse_module
from reconciler.model.diagnostic import Diagnostic, ReconcilerError

_STATE_VERSION = 4
_SHOWN_FORMATS = ("0.", "1.")
_PULL = "write a copy with `terraform state pull > copy.tfstate`, in the folder of the configuration"
_SHOW = "pipe the state: `terraform show -json | reconciler import --from-terraform -`"
_PROVIDER = re.compile(r'(?:^|\.)provider(?:\["(?P<source>[^"]+)"\]|\.(?P<legacy>[\w-]+))')


@dataclass(frozen=True, slots=True)
class StateObject:
    """Object in a document of Terraform. `provider` is its source, such as `registry.terraform.io/fivetran/fivetran`.

    `dependencies` are addresses of resources. A deposed object awaits its deletion after a replacement.
    """

    address: TerraformAddress
    provider: str
    attributes: Mapping[str, Any]
    dependencies: tuple[str, ...] = ()
    is_deposed: bool = False


@dataclass(frozen=True, slots=True)
class TerraformDocument:
    """Parsed document of Terraform: the version of Terraform, all objects, and the values of outputs by name."""

    version: str
    objects: tuple[StateObject, ...]
    outputs: Mapping[str, Any]


def parse_terraform_document(data: bytes, shown: str) -> TerraformDocument:
    """Parse a document of Terraform. `shown` is its name in errors. Raises ReconcilerError."""
    document = _parse_json(data, shown)
    _refuse_other_documents(document, shown)
    try:
        if "format_version" in document:
            return _read_shown(_ShownForm.model_validate(document))
        return _read_state(_StateForm.model_validate(document))
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        _refuse(f"`{shown}` is no intact state of Terraform: `{place}` has another form", _SHOW)
    except RecursionError:
        _refuse(f"`{shown}` is no intact state of Terraform: it is nested too deep", _SHOW)


def _parse_json(data: bytes, shown: str) -> Mapping[str, Any]:
    if not data.strip():
        _refuse(f"`{shown}` is empty", f"{_PULL}; a new workspace has no state")
    try:
        document = json.loads(data)  # in UTF-8, or in UTF-16 as PowerShell writes it
    except json.JSONDecodeError as error:
        _refuse(f"`{shown}` is no JSON: line {error.lineno}, column {error.colno} is at fault", _PULL)
    except (UnicodeDecodeError, RecursionError, ValueError):
        _refuse(f"`{shown}` is no JSON", _PULL)
    if not isinstance(document, dict):
        _refuse(f"`{shown}` is no state of Terraform: it is no JSON object", _PULL)
    return document


def _refuse_other_documents(document: Mapping[str, Any], shown: str) -> None:
    if "encrypted_data" in document:
        _refuse(
            f"`{shown}` is encrypted",
            "`tofu show -json` decrypts it; pipe its output to `--from-terraform -`",
        )
    if "planned_values" in document or "resource_changes" in document:
        _refuse(f"`{shown}` is a plan of Terraform, not a state", _SHOW)
    if "backend" in document and not document.get("resources"):
        _refuse(f"`{shown}` only names the backend that keeps the state", _PULL)
    if "format_version" in document:
        if not str(document["format_version"]).startswith(_SHOWN_FORMATS):
            _refuse(f"`{shown}` has a format of `terraform show -json` that is not known", _PULL)
        if not {"values", "terraform_version"} & document.keys() and len(document) > 1:
            _refuse(f"`{shown}` is an output of Terraform, but not that of `terraform show -json`", _SHOW)
        return
    version = document.get("version")
    if version == _STATE_VERSION and isinstance(document.get("resources"), list):
        return
    if isinstance(version, int) and not isinstance(version, bool) and "serial" in document:
        if version < _STATE_VERSION:
            _refuse(
                f"`{shown}` is a state of format {version}; Terraform 0.12 and newer write format {_STATE_VERSION}",
                "upgrade Terraform, and run `terraform apply` once; it rewrites the state",
            )
        if version > _STATE_VERSION:
            _refuse(f"`{shown}` is a state of format {version}; format {_STATE_VERSION} is known", _SHOW)
    _refuse(f"`{shown}` is JSON, but no state of Terraform", _PULL)


def _refuse(message: str, advice: str) -> NoReturn:
    raise ReconcilerError([Diagnostic("terraform-state-unusable", message, help=advice)]) from None


def _to_dict(value: Any) -> Any:
    return {} if value is None else value


def _to_list(value: Any) -> Any:
    return [] if value is None else value


def _to_module(value: Any) -> tuple[ModuleStep, ...]:
    return parse_module(value if isinstance(value, str) else "?")


_Attributes = Annotated[dict[str, Any], BeforeValidator(_to_dict)]
_Texts = Annotated[list[str], BeforeValidator(_to_list)]
_Name = Annotated[str, Field(pattern=r"^[\p{L}_][\p{L}\p{N}_-]*$")]
_Module = Annotated[tuple[ModuleStep, ...], PlainValidator(_to_module)]
_Key = Annotated[StrictInt | str | None, Field(union_mode="left_to_right")]


class _Output(BaseModel):
    value: Any = None


_Outputs = Annotated[dict[str, _Output], BeforeValidator(_to_dict)]


class _Instance(BaseModel):
    index_key: _Key = None
    attributes: _Attributes = {}
    dependencies: _Texts = []
    deposed: str | None = None


class _Resource(BaseModel):
    module: _Module = ()
    mode: str
    type: _Name
    name: _Name
    provider: str = ""
    instances: Annotated[list[_Instance], BeforeValidator(_to_list)] = []


class _StateForm(BaseModel):
    """State of format 4."""

    terraform_version: str = ""
    outputs: _Outputs = {}
    resources: list[_Resource]


class _ShownResource(BaseModel):
    mode: str
    type: _Name
    name: _Name
    index: _Key = None
    provider_name: str = ""
    values: _Attributes = {}
    depends_on: _Texts = []
    deposed_key: str | None = None


class _ShownModule(BaseModel):
    address: _Module = ()
    resources: Annotated[list[_ShownResource], BeforeValidator(_to_list)] = []
    child_modules: Annotated[list[_ShownModule], BeforeValidator(_to_list)] = []


class _ShownValues(BaseModel):
    outputs: _Outputs = {}
    root_module: _ShownModule = _ShownModule()


class _ShownForm(BaseModel):
    """Output of `terraform show -json`. An empty state has no values."""

    terraform_version: str = ""
    values: _ShownValues = _ShownValues()


def _read_state(state: _StateForm) -> TerraformDocument:
    objects = [
        StateObject(
            _make_address(resource.mode, resource.type, resource.name, instance.index_key, resource.module),
            _parse_provider(resource.provider),
            instance.attributes,
            tuple(instance.dependencies),
            instance.deposed is not None,
        )
        for resource in state.resources
        for instance in resource.instances
    ]
    return TerraformDocument(state.terraform_version, tuple(objects), _get_values(state.outputs))


def _read_shown(shown: _ShownForm) -> TerraformDocument:
    objects = [
        StateObject(
            _make_address(resource.mode, resource.type, resource.name, resource.index, module.address),
            resource.provider_name,
            resource.values,
            tuple(resource.depends_on),
            resource.deposed_key is not None,
        )
        for module in _iterate_modules(shown.values.root_module)
        for resource in module.resources
    ]
    return TerraformDocument(shown.terraform_version, tuple(objects), _get_values(shown.values.outputs))


def _iterate_modules(module: _ShownModule) -> Iterator[_ShownModule]:
    yield module
    for child in module.child_modules:
        yield from _iterate_modules(child)


def _make_address(
    mode: str, kind: str, name: str, key: InstanceKey, modules: tuple[ModuleStep, ...]
) -> TerraformAddress:
    return TerraformAddress(kind, name, key, modules, is_data=mode == "data")


def _parse_provider(text: str) -> str:
    """Parse the source of a provider from its configuration: `module.eu.provider["…/fivetran/fivetran"].second`."""
    match = _PROVIDER.search(text)
    return "" if match is None else match["source"] or match["legacy"]


def _get_values(outputs: Mapping[str, _Output]) -> dict[str, Any]:
    return {name: output.value for name, output in outputs.items()}
