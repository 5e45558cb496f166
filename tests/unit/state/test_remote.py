"""A state at a remote place, as the rest of the program knows it."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from shared_states import BRANCH, HOLDER, StillClock, Upstream, surroundings

from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.holder import Holder
from reconciler.model.place import parse_place
from reconciler.model.record import Record, State
from reconciler.state.lease import INTERVAL, LENGTH, TOLERANCE
from reconciler.state.lock import Grip
from reconciler.state.store import Store, remote_store

OTHER = replace(HOLDER, pid=12, host="runner-8")
EMPTY = State("a-lineage", 0, "an_account")
ORDERS = Address("group", "orders")
LOCK = "state.json.lock"


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """A bare repository."""
    return Upstream(tmp_path / "upstream.git")


@pytest.fixture
def clock() -> StillClock:
    """A clock that only tests move on."""
    return StillClock()


def store(upstream: Upstream, clock: StillClock, holder: Holder = HOLDER, **environ: str) -> Store:
    place = parse_place(f"git:{upstream.path}/{BRANCH}")
    around = surroundings(upstream.path.parent, holder, clock, **environ)
    return remote_store(place, "state.json", around)  # type: ignore[arg-type]


def code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [told] = error.value.diagnostics
    return told.code


def records(upstream: Upstream) -> list[str]:
    return list(json.loads(upstream.files()["state.json"])["records"])


def test_what_is_remembered_goes_out_at_intervals_and_at_the_end(
    upstream: Upstream, clock: StillClock
) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        assert one.read() is None
        session = one.open(EMPTY)
        assert list(upstream.files()) == [LOCK], "nothing is written yet"
        session.sync()
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        assert one.tend()
        assert records(upstream) == []
        clock.seconds += INTERVAL
        assert one.tend()
        assert records(upstream) == ["group.orders"]
        clock.seconds += INTERVAL
        before = upstream.subjects()
        assert one.tend()
        assert upstream.subjects() == before, "there is no news"
        session.remember([(ORDERS, None)])
        session.close()
        assert records(upstream) == []
    assert list(upstream.files()) == ["state.json"]
    found = store(upstream, clock).read()
    assert found is not None
    assert found.serial == 2


def test_a_write_that_fails_is_made_again_after_an_interval(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        upstream.hook("pre-receive", "exit 1")
        clock.seconds += INTERVAL
        assert one.tend()
        (upstream.path / "hooks" / "pre-receive").unlink()
        assert one.tend()
        assert records(upstream) == [], "not before its time"
        clock.seconds += INTERVAL
        assert one.tend()
        assert records(upstream) == ["group.orders"]
        session.close()


def test_a_place_that_does_not_answer_is_asked_twice_at_the_end(
    upstream: Upstream, clock: StillClock
) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        upstream.hook("pre-receive", "test -e once && exit 0; touch once; exit 1")
        session.close()
        assert records(upstream) == ["group.orders"]


def test_a_lock_of_which_nothing_is_known_is_not_left_behind(upstream: Upstream, clock: StillClock) -> None:
    folder, real = upstream.path.parent / "bin", shutil.which("git")
    folder.mkdir()
    (folder / "once").touch()
    program = folder / "git"
    program.write_text(f"""#!/bin/sh
        here='{folder}'
        case " $* " in
            *' push '*) if [ -e $here/once ]; then mv $here/once $here/lost; '{real}' "$@"; exit 1; fi;;
            *' ls-remote '*) if [ -e $here/lost ]; then rm $here/lost; exit 1; fi;;
        esac
        exec '{real}' "$@"
        """)
    program.chmod(0o755)
    one = store(upstream, clock, PATH=f"{folder}:/usr/bin:/bin")
    with pytest.raises(ReconcilerError) as caught, one.locked(HOLDER):
        pass
    assert code(caught) == "state-unreachable"
    assert [each.partition(", ")[2].split(";")[0] for each in upstream.subjects()] == ["locked", "unlocked"]
    assert upstream.files() == {}


@pytest.mark.parametrize("happens", ["renewed", "taken over", "nothing"])
def test_only_a_lock_that_is_as_it_was_seen_is_broken(
    upstream: Upstream, clock: StillClock, happens: str
) -> None:
    holder, person = store(upstream, clock), store(upstream, clock, OTHER)
    with ExitStack() as until_the_end, holder.locked(HOLDER):
        holder.read()
        holder.open(EMPTY).sync()
        seen = person.tidied("here")
        assert (seen.grip, seen.holder) == (Grip.ELSEWHERE, HOLDER)
        if happens == "renewed":
            clock.seconds += LENGTH - 1
            assert holder.tend()
        elif happens == "taken over":
            clock.seconds += LENGTH + TOLERANCE + 1
            until_the_end.enter_context(store(upstream, clock, OTHER).locked(OTHER))
        if happens == "nothing":
            person.break_lock(seen, "here")
            assert LOCK not in upstream.files()
            assert "broke the lock of `reconciler apply` by ci on runner-7" in upstream.subjects()[-1]
            clock.seconds += INTERVAL
            holder.open(EMPTY)
            assert not holder.tend()
            assert holder.stopped_by is not None
            assert holder.stopped_by.code == "lease-lost"
            return
        with pytest.raises(ReconcilerError) as caught:
            person.break_lock(seen, "here")
        assert code(caught) == "locked"
        assert LOCK in upstream.files()


def test_breaking_what_is_free_by_now_does_nothing(upstream: Upstream, clock: StillClock) -> None:
    person = store(upstream, clock, OTHER)
    with store(upstream, clock).locked(HOLDER):
        seen = person.tidied("here")
    before = upstream.subjects()
    person.break_lock(seen, "here")
    assert upstream.subjects() == before


def test_a_state_that_fits_nowhere_else_goes_to_the_refuge(
    upstream: Upstream, clock: StillClock, tmp_path: Path
) -> None:
    one = store(upstream, clock)
    assert one.rescue(EMPTY, None) == tmp_path / ".reconciler" / "state.json.rescued-0"
    (tmp_path / ".reconciler" / "state.json.rescued-0").unlink()
    (tmp_path / ".reconciler").rmdir()
    (tmp_path / ".reconciler").write_text("in the way")
    assert one.rescue(EMPTY, None) is None
    refuge = tmp_path / "refuge"
    assert one.rescue(EMPTY, refuge) == refuge / "state.json.rescued-0"


def test_no_key_is_kept(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    assert not one.keeps_key
    assert one.key() is None
    with pytest.raises(NotImplementedError):
        one.keep_key(b"key")
