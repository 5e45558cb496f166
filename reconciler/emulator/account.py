"""One Fivetran account: what request handlers read, write and draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    """Who the account is, as `GET /v1/account/info` tells it."""

    account_id: str
    account_name: str
    user_id: str


def new_user(
    identifier: str,
    *,
    created_at: str,
    email: str | None = None,
    names: tuple[str, str] | None = None,
    role: str | None = ADMINISTRATOR,
    active: bool = True,
) -> dict[str, Any]:
    """A user as the API shows it; address and names follow the id where nobody chose them."""
    given, family = names or tuple(word.title() for word in identifier.split("_", 1))
    return {
        "id": identifier,
        "email": email or f"{given}.{family}@acme.example".lower(),
        "given_name": given,
        "family_name": family,
        "verified": True,
        "invited": False,
        "picture": None,
        "phone": None,
        "role": role,
        "logged_in_at": created_at,
        "created_at": created_at,
        "active": active,
    }


class Account:
    """The state of an account with the clock and the seed that new objects are made from."""

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
        """The identity in the database; a new database gets one that its seed decides."""
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
                owner = new_user(identity.user_id, created_at=self.now())
                self.store.add(Kind.USER, identity.user_id, owner, label=owner["email"])
        return identity

    def set_identity(self, identity: Identity) -> None:
        """Be another account, with everything in it as it is."""
        self.store.replace(Kind.ACCOUNT, _ACCOUNT_KEY, asdict(identity))
        self.identity = identity

    def reset(self) -> None:
        """Be as new: nothing in it, nothing behind it, and the same identity."""
        with self.store.transaction():
            self.store.clear()
            self.store.add(Kind.ACCOUNT, _ACCOUNT_KEY, asdict(self.identity))
            self._load_identity()

    @property
    def owner(self) -> dict[str, Any]:
        """The user behind every request."""
        owner = self.store.find(Kind.USER, self.identity.user_id)
        return owner or new_user(self.identity.user_id, created_at=self.now())

    def now(self, *, after: float = 0.0) -> str:
        """The time in Fivetran's form, UTC with microseconds, or that of so many seconds later. Such texts
        sort by time."""
        moment = self.read_clock().astimezone(UTC) + timedelta(seconds=after)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def read_clock(self) -> datetime:
        """The time."""
        return self._frozen_time or self._clock()

    @contextmanager
    def freeze_time(self, moment: datetime) -> Iterator[None]:
        """Inside, it is this time. To be used within a transaction of the store, since it is so for everybody."""
        self._frozen_time = moment
        try:
            yield
        finally:
            self._frozen_time = None

    def new_id(self, kind: Kind) -> str:
        """An id that no document of the kind has."""
        number = self.store.increment(f"id/{kind}")
        for attempt in range(1_000):
            candidate = generate_id(self._seed, kind, number, attempt)
            if self.store.find(kind, candidate) is None:
                return candidate
        raise RuntimeError(f"no two words are left for another {kind}")

    def record_effect(self, verb: str, kind: Kind, identifier: str) -> None:
        """Tell the history what a request does."""
        self._effects.append(Effect(verb, kind, identifier))

    def delete(self, kind: Kind, identifier: str) -> None:
        """Delete a document that is there."""
        self.store.remove(kind, identifier)
        self.record_effect("deleted", kind, identifier)

    def take_effects(self) -> tuple[Effect, ...]:
        """What was noted since the last call."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects
