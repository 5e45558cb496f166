"""A state at a remote place, as the rest of the program knows it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from git_folder import git
from shared_states import BRANCH, HOLDER, StillClock, Upstream, surroundings

from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.holder import Holder
from reconciler.model.instant import Instant
from reconciler.model.place import parse_place
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State
from reconciler.model.removal import Extent, Removed
from reconciler.state.lease import INTERVAL, LENGTH, RENEWAL, TOLERANCE
from reconciler.state.lock import Grip
from reconciler.state.patience import SHORTEST
from reconciler.state.store import Store, remote_store
from reconciler.state.watch import LOOK

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


def test_a_removal_goes_out_with_what_it_forgets(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        assert one.read() is None
        session = one.open(EMPTY)
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        session.remember([(ORDERS, Removed("decent_dropsy", Extent.PAIR))])
        session.close()
        state = one.read()
    assert state is not None
    assert (state.records, state.removals) == ({}, {"orders": Removed("decent_dropsy", Extent.PAIR)})


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


def test_every_renewal_says_when_it_was_since_a_run_may_go_on_that_long(
    upstream: Upstream, clock: StillClock
) -> None:
    """A mark that has not been written yet may be of a request that left as late as that."""
    intent = Intent(Action.CREATE, "Orders", begun=Instant(clock.now()))
    one, other = store(upstream, clock), store(upstream, clock, OTHER)
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.remember([(ORDERS, Record(intent=intent))])
        session.sync()
        for _ in range(5):
            clock.seconds += RENEWAL
            assert one.tend()
            seen = other.read()
            assert seen is not None
            found = seen.records[ORDERS].intent
            assert found is not None
            assert found.sent == Instant(clock.now() + timedelta(seconds=LENGTH))
        session.close()


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
    with pytest.raises(RuntimeError, match="keeps no key"):
        one.keep_key(b"key")


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def slow(upstream: Upstream, command: str, seconds: float) -> str:
    """A PATH with a git that takes its time for one command while there is a file `slow`."""
    folder, real = upstream.path.parent / "bin", shutil.which("git")
    folder.mkdir()
    program = folder / "git"
    program.write_text(f"""#!/bin/sh
        here='{folder}'
        case " $* " in *' {command} '*) if [ -e $here/slow ]; then touch $here/began; sleep {seconds}; fi;; esac
        exec '{real}' "$@"
        """)
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_lock_that_was_broken_is_noticed_within_seconds_and_long_before_the_next_write(
    upstream: Upstream, clock: StillClock
) -> None:
    one, person = store(upstream, clock), store(upstream, clock, OTHER)
    with one.locked(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        person.break_lock(person.tidied("here"), "here")
        assert one.tend()
        clock.seconds += LOOK
        eventually(lambda: not one.tend())
        assert clock.seconds < INTERVAL
        assert one.stopped_by is not None
        assert one.stopped_by.code == "lease-lost"
    assert upstream.subjects()[-1].startswith("reconciler apply: state.json, broke the lock"), "nothing since"


def test_what_others_write_beside_a_state_is_no_reason_to_stop(upstream: Upstream, clock: StillClock) -> None:
    place = parse_place(f"git:{upstream.path}/{BRANCH}")
    around = surroundings(upstream.path.parent, OTHER, clock)
    one, neighbour = store(upstream, clock), remote_store(place, "other.state.json", around)  # type: ignore[arg-type]
    with one.locked(HOLDER), neighbour.locked(OTHER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        neighbour.read()
        neighbour.open(EMPTY).sync()
        before = threading.active_count()
        clock.seconds += LOOK
        assert one.tend()
        eventually(lambda: threading.active_count() == before)
        assert one.tend()
        session.close()
    assert sorted(upstream.files()) == ["other.state.json", "state.json"]


def test_a_look_at_a_place_that_is_slow_or_away_holds_nobody_up(
    upstream: Upstream, clock: StillClock
) -> None:
    one = store(upstream, clock, PATH=slow(upstream, "ls-remote", 20))
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += LOOK
        began = time.monotonic()
        assert one.tend()
        eventually((upstream.path.parent / "bin" / "began").exists)
        assert one.tend()
        session.close()
        assert time.monotonic() - began < 5
    assert list(upstream.files()) == ["state.json"]


def test_a_look_that_fails_is_made_again_and_stops_nobody(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        there = upstream.path.rename(upstream.path.with_name("away.git"))
        for _ in range(3):
            clock.seconds += LOOK
            before = threading.active_count()
            assert one.tend()
            eventually(lambda before=before: threading.active_count() == before)  # type: ignore[misc]
            assert one.tend()
        there.rename(upstream.path)


@pytest.mark.parametrize("happened", ["nothing", "taken over", "cut off"])
def test_a_machine_that_was_asleep_for_longer_than_its_lock_lasts_asks_before_it_goes_on(
    upstream: Upstream, clock: StillClock, happened: str
) -> None:
    one = store(upstream, clock)
    with ExitStack() as until_the_end, one.locked(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        clock.asleep = LENGTH + TOLERANCE + 1
        if happened == "taken over":
            until_the_end.enter_context(store(upstream, clock, OTHER).locked(OTHER))
        if happened == "cut off":
            upstream.path.rename(upstream.path.with_name("away.git"))
        assert one.tend() is (happened == "nothing")
        told = one.stopped_by
        assert (told.code if told else "") == ("" if happened == "nothing" else "lease-lost")


def test_a_branch_that_was_set_back_is_not_called_another_runs(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        git(upstream.path, "update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1")
        clock.seconds += INTERVAL
        one.open(EMPTY)
        assert not one.tend()
    assert one.stopped_by is not None
    [note] = one.stopped_by.notes
    assert note.startswith("somebody put back an older version of it")


def test_a_lock_that_cannot_be_let_go_of_is_told(upstream: Upstream, clock: StillClock) -> None:
    one = store(upstream, clock)
    with one.locked(HOLDER):
        assert one.left_behind is None
        upstream.hook("pre-receive", "echo 'Monday is no day for that' >&2; exit 1")
    assert one.left_behind is not None
    assert one.left_behind.code == "lock-left"
    assert one.left_behind.notes == (
        "the server says: Monday is no day for that",
        "others have to wait until it is free by itself, at 2026-11-26T10:06:00+00:00",
    )


def test_whoever_only_reads_knows_who_writes(upstream: Upstream, clock: StillClock) -> None:
    reader = store(upstream, clock, OTHER)
    with store(upstream, clock).locked(HOLDER):
        reader.read()
        hold = reader.writer(OTHER)
        assert hold is not None
        assert hold.holder == HOLDER
        assert reader.writer(HOLDER) is None
    reader.read()
    assert reader.writer(OTHER) is None


def test_whoever_wants_to_leave_writes_once_and_lets_go_in_the_same_write(
    upstream: Upstream, clock: StillClock
) -> None:
    around = surroundings(upstream.path.parent, HOLDER, clock)
    one = remote_store(parse_place(f"git:{upstream.path}/{BRANCH}"), "state.json", around)  # type: ignore[arg-type]
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        assert not one.rescues_first
        around.leaving.set()
        clock.seconds += INTERVAL
        assert one.tend()
        assert records_in(upstream) == {}, "that is left to the end"
        assert one.rescues_first
        session.close()
        assert list(upstream.files()) == ["state.json"]
    assert upstream.subjects()[-1] == "reconciler apply: state.json, serial 2, 1 records; unlocked"


def records_in(upstream: Upstream) -> dict[str, object]:
    found: dict[str, object] = json.loads(upstream.files().get("state.json", '{"records": {}}'))["records"]
    return found


def test_whoever_wants_to_leave_waits_for_a_place_no_longer_than_there_is_time(
    upstream: Upstream, clock: StillClock
) -> None:
    environ = {"PATH": slow(upstream, "push", 20)}
    around = surroundings(upstream.path.parent, HOLDER, clock, **environ)
    one = remote_store(parse_place(f"git:{upstream.path}/{BRANCH}"), "state.json", around)  # type: ignore[arg-type]
    with one.locked(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        session.remember([(ORDERS, Record(id="decent_dropsy"))])
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += INTERVAL
        threading.Timer(0.3, around.leaving.set).start()
        began = time.monotonic()
        assert one.tend()
        assert time.monotonic() - began < 1, "it is not waited for at all, since it comes again"
        clock.seconds += 60
        with pytest.raises(OSError, match=f"did not come to an end within {SHORTEST:g} s"):
            session.close()
    assert time.monotonic() - began < 1 + 2 * SHORTEST
