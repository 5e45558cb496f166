"""Account of the emulator: the state, clock and seed for request handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.emulator.history import Effect
from reconciler.emulator.ids import generate_id
from reconciler.emulator.store import Kind, Store
from reconciler.emulator.switches import Behaviour

ADMINISTRATOR: Final = "Account Administrator"

_ACCOUNT_KEY = "this"


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of the account, as `GET /v1/account/info` shows it."""

    account_id: str
    account_name: str
    user_id: str


def build_user(identifier: str, *, created_at: str, **fields: Any) -> dict[str, Any]:
    """Build a user in the form of the API: an active administrator, whose names follow the id, except for `fields`."""
    given, _, family = identifier.partition("_")
    return {
        "id": identifier,
        "email": f"{identifier.replace('_', '.')}@acme.example",
        "given_name": given.title(),
        "family_name": family.title(),
        "verified": True,
        "invited": False,
        "picture": None,
        "phone": None,
        "role": ADMINISTRATOR,
        "logged_in_at": created_at,
        "created_at": created_at,
        "active": True,
        **fields,
    }


class Account:
    """State of an account, with the clock and the seed of new objects."""

    def __init__(
        self, store: Store, *, behaviour: Behaviour, clock: Callable[[], datetime], seed: int
    ) -> None:
        self.store = store
        self.behaviour = behaviour
        self._clock = clock
        self._frozen_time: datetime | None = None
        self._seed = seed
        self._effects: list[Effect] = []
        self.identity = self._load_identity()

    def _load_identity(self) -> Identity:
        """Load the identity from the database.

        A new database gets an identity that depends on the seed alone.
        """
        with self.store.transaction():
            stored = self.store.find(Kind.ACCOUNT, _ACCOUNT_KEY)
            if stored is None:
                account_id = generate_id(self._seed, "account")
                stored = {
                    "account_id": account_id,
                    "account_name": account_id.replace("_", " ").title(),
                    "user_id": generate_id(self._seed, "user"),
                }
                self.store.add(Kind.ACCOUNT, _ACCOUNT_KEY, stored)
            identity = Identity(**stored)
            if self.store.find(Kind.USER, identity.user_id) is None:
                owner = build_user(identity.user_id, created_at=self.now())
                self.store.add(Kind.USER, identity.user_id, owner, label=owner["email"].lower())
        return identity

    def set_owner(self, owner: dict[str, Any]) -> None:
        """Give the API key to another user, in place of the present owner."""
        self.store.remove(Kind.USER, self.identity.user_id)
        self.store.add(Kind.USER, owner["id"], owner, label=owner["email"].lower())
        self.set_identity(replace(self.identity, user_id=owner["id"]))

    def set_identity(self, identity: Identity) -> None:
        """Give the account another identity. Its content stays."""
        self.store.replace(Kind.ACCOUNT, _ACCOUNT_KEY, asdict(identity))
        self.identity = identity

    def reset(self) -> None:
        """Reset the account: delete content, history and counters. Its identity stays."""
        with self.store.transaction():
            self.store.clear()
            self.store.add(Kind.ACCOUNT, _ACCOUNT_KEY, asdict(self.identity))
            self._load_identity()

    @property
    def owner(self) -> dict[str, Any]:
        """Return the user of the API key. The user is built again if it was removed from the account."""
        owner = self.store.find(Kind.USER, self.identity.user_id)
        return owner or build_user(self.identity.user_id, created_at=self.now())

    def now(self, *, after: float = 0.0) -> str:
        """Return the time in Fivetran's form, UTC with microseconds, `after` seconds later than the clock.

        Texts of this form sort by time.
        """
        moment = self.read_clock().astimezone(UTC) + timedelta(seconds=after)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def read_clock(self) -> datetime:
        """Return the time with its zone, the frozen time inside `freeze_time`."""
        return self._frozen_time or self._clock()

    @contextmanager
    def freeze_time(self, moment: datetime) -> Iterator[None]:
        """Freeze the account's clock inside the block.

        The clock is frozen for every caller, so use it within a transaction of the store only.
        """
        self._frozen_time = moment
        try:
            yield
        finally:
            self._frozen_time = None

    def new_id(self, kind: Kind) -> str:
        """Generate an id that no document of the kind has.

        Raises RuntimeError if a thousand candidates are taken.
        """
        # The counter keeps ids unique after deletions; further attempts avoid ids that a seed has chosen.
        number = self.store.increment(f"id/{kind}")
        for attempt in range(1_000):
            candidate = generate_id(self._seed, kind, number, attempt)
            if self.store.find(kind, candidate) is None:
                return candidate
        raise RuntimeError(f"no id is left for another {kind}")

    def record_effect(self, verb: str, kind: Kind, identifier: str) -> None:
        """Record an effect of the current request for the history."""
        self._effects.append(Effect(verb, kind, identifier))

    def delete(self, kind: Kind, identifier: str) -> None:
        """Delete an existing document and record the effect."""
        self.store.remove(kind, identifier)
        self.record_effect("deleted", kind, identifier)

    def take_effects(self) -> tuple[Effect, ...]:
        """Return the effects recorded since the last call, and clear them."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects
