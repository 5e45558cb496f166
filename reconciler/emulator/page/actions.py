"""Execute the forms of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from werkzeug.exceptions import BadRequest

from reconciler.emulator.dashboard import Dashboard
from reconciler.emulator.envelope import not_found
from reconciler.emulator.page import settings_form
from reconciler.emulator.resources import destinations
from reconciler.emulator.store import Kind

Form: TypeAlias = Mapping[str, str]

_APPROVED_KINDS: Final = {str(kind): kind for kind in (Kind.CERTIFICATE, Kind.FINGERPRINT)}


def _approve(dashboard: Dashboard, form: Form) -> str:
    kind, approved_hash = _APPROVED_KINDS[form["kind"]], form["hash"]
    dashboard.approve(kind, form["group"], approved_hash)
    return f"Approved the {kind} {approved_hash}. The next setup tests trust it."


def _revoke(dashboard: Dashboard, form: Form) -> str:
    kind, approved_hash = _APPROVED_KINDS[form["kind"]], form["hash"]
    dashboard.revoke(kind, form["group"], approved_hash)
    return f"Revoked the {kind} {approved_hash}."


def _rename_group(dashboard: Dashboard, form: Form) -> str:
    dashboard.rename_group(form["group"], form["name"])
    return f"Renamed the group to {form['name']}."


def _change_destination(dashboard: Dashboard, form: Form) -> str:
    group_id = form["group"]
    try:
        destination = dashboard.get_destination(group_id)
    except KeyError:
        raise not_found("Destination", group_id) from None
    changes = settings_form.parse_changes(form, destination, destinations.find_service(destination.service))
    if not changes:
        return "Nothing has changed."
    dashboard.change_settings(group_id, changes)
    names = [*(name for name in changes if name != "config"), *changes.get("config", ())]
    return f"Changed {', '.join(names)}."


def _delete_destination(dashboard: Dashboard, form: Form) -> str:
    dashboard.delete(Kind.DESTINATION, form["group"])
    return "Deleted the destination."


def _delete_group(dashboard: Dashboard, form: Form) -> str:
    dashboard.delete(Kind.GROUP, form["group"])
    return f"Deleted the group {form['group']}."


def _delete_connection(dashboard: Dashboard, form: Form) -> str:
    dashboard.delete(Kind.CONNECTION, form["connection"])
    return f"Deleted the connection {form['connection']}."


_ACTIONS: Final[Mapping[str, Callable[[Dashboard, Form], str]]] = MappingProxyType(
    {
        "approve": _approve,
        "revoke": _revoke,
        "rename-group": _rename_group,
        "change-destination": _change_destination,
        "delete-destination": _delete_destination,
        "delete-group": _delete_group,
        "delete-connection": _delete_connection,
    }
)


def is_action(name: str) -> bool:
    """Check whether a form of this name exists."""
    return name in _ACTIONS


def execute(name: str, dashboard: Dashboard, form: Form) -> str:
    """Execute a form. Returns a message for the user.

    Raises `ErrorReply` if the account refuses the change, and a 400 for a form with missing fields.
    """
    try:
        return _ACTIONS[name](dashboard, form)
    except KeyError as error:
        raise BadRequest("This form is incomplete. Reload the page and try again.") from error
