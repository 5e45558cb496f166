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
from fake_clock import FakeClock
from git_repo import run_git
from remote_backends import BRANCH, HOLDER, BareRepository, build_clock, build_context

from reconciler.model.address import Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.instant import Instant
from reconciler.model.lock_info import LockInfo
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.state_location import parse_state_location
from reconciler.runtime.deadline import MIN_CALL_TIMEOUT
from reconciler.state.lease import CLOCK_SKEW, LEASE_TTL, RENEW_AFTER, WRITE_INTERVAL
from reconciler.state.lock import LockHolderState
from reconciler.state.remote import build_remote_store
from reconciler.state.store import Store
from reconciler.state.watch import POLL_INTERVAL

pytestmark = pytest.mark.sampled(every=6)

OTHER = replace(HOLDER, pid=12, host="runner-8")
EMPTY = State("a-lineage", 0, "an_account")
ORDERS = Address("group", "orders")
LOCK = "state.json.lock"


@pytest.fixture
def upstream(tmp_path: Path) -> BareRepository:
    """A bare repository."""
    return BareRepository(tmp_path / "upstream.git")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only tests move on."""
    return build_clock()


def store(upstream: BareRepository, clock: FakeClock, holder: LockInfo = HOLDER, **environ: str) -> Store:
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    around = build_context(upstream.path.parent, holder, clock, **environ)
    return build_remote_store(place, "state.json", around)  # type: ignore[arg-type]


def code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [told] = error.value.diagnostics
    return told.code


def records(upstream: BareRepository) -> list[str]:
    return list(json.loads(upstream.read_files()["state.json"])["records"])


def test_a_removal_goes_out_with_what_it_forgets(upstream: BareRepository, clock: FakeClock) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        assert one.read() is None
        session = one.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        session.stage([(ORDERS, CompletedRemoval("decent_dropsy", Extent.PAIR))])
        session.close()
        state = one.read()
    assert state is not None
    assert (state.records, state.removals) == ({}, {"orders": CompletedRemoval("decent_dropsy", Extent.PAIR)})


def test_what_is_remembered_goes_out_at_intervals_and_at_the_end(
    upstream: BareRepository, clock: FakeClock
) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        assert one.read() is None
        session = one.open(EMPTY)
        assert list(upstream.read_files()) == [LOCK], "nothing is written yet"
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        assert one.renew_and_flush()
        assert records(upstream) == []
        clock.seconds += WRITE_INTERVAL
        assert one.renew_and_flush()
        assert records(upstream) == ["group.orders"]
        clock.seconds += WRITE_INTERVAL
        before = upstream.list_subjects()
        assert one.renew_and_flush()
        assert upstream.list_subjects() == before, "there is no news"
        session.stage([(ORDERS, None)])
        session.close()
        assert records(upstream) == []
    assert list(upstream.read_files()) == ["state.json"]
    found = store(upstream, clock).read()
    assert found is not None
    assert found.serial == 2


def test_every_renewal_says_when_it_was_since_a_run_may_go_on_that_long(
    upstream: BareRepository, clock: FakeClock
) -> None:
    """A mark that has not been written yet may be of a request that left as late as that."""
    intent = Intent(Action.CREATE, "Orders", begun=Instant(clock.now()))
    one, other = store(upstream, clock), store(upstream, clock, OTHER)
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.stage([(ORDERS, Record(intent=intent))])
        session.sync()
        for _ in range(5):
            clock.seconds += RENEW_AFTER
            assert one.renew_and_flush()
            seen = other.read()
            assert seen is not None
            found = seen.records[ORDERS].intent
            assert found is not None
            assert found.sent == Instant(clock.now() + timedelta(seconds=LEASE_TTL))
        session.close()


def test_a_write_that_fails_is_made_again_after_an_interval(
    upstream: BareRepository, clock: FakeClock
) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        upstream.add_hook("pre-receive", "exit 1")
        clock.seconds += WRITE_INTERVAL
        assert one.renew_and_flush()
        (upstream.path / "hooks" / "pre-receive").unlink()
        assert one.renew_and_flush()
        assert records(upstream) == [], "not before its time"
        clock.seconds += WRITE_INTERVAL
        assert one.renew_and_flush()
        assert records(upstream) == ["group.orders"]
        session.close()


def test_a_place_that_does_not_answer_is_asked_twice_at_the_end(
    upstream: BareRepository, clock: FakeClock
) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        upstream.add_hook("pre-receive", "test -e once && exit 0; touch once; exit 1")
        session.close()
        assert records(upstream) == ["group.orders"]


def test_a_lock_of_which_nothing_is_known_is_not_left_behind(
    upstream: BareRepository, clock: FakeClock
) -> None:
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
    with pytest.raises(ReconcilerError) as caught, one.lock.hold(HOLDER):
        pass
    assert code(caught) == "state-unreachable"
    assert [each.partition(", ")[2].split(";")[0] for each in upstream.list_subjects()] == [
        "locked",
        "unlocked",
    ]
    assert upstream.read_files() == {}


@pytest.mark.parametrize("happens", ["renewed", "taken over", "nothing"])
def test_only_a_lock_that_is_as_it_was_seen_is_broken(
    upstream: BareRepository, clock: FakeClock, happens: str
) -> None:
    holder, person = store(upstream, clock), store(upstream, clock, OTHER)
    with ExitStack() as until_the_end, holder.lock.hold(HOLDER):
        holder.read()
        holder.open(EMPTY).sync()
        seen = person.lock.clear_stale("here")
        assert (seen.state, seen.holder) == (LockHolderState.REMOTE, HOLDER)
        if happens == "renewed":
            clock.seconds += LEASE_TTL - 1
            assert holder.renew_and_flush()
        elif happens == "taken over":
            clock.seconds += LEASE_TTL + CLOCK_SKEW + 1
            until_the_end.enter_context(store(upstream, clock, OTHER).lock.hold(OTHER))
        if happens == "nothing":
            person.lock.force_unlock(seen, "here")
            assert LOCK not in upstream.read_files()
            assert "broke the lock of `reconciler apply` by ci on runner-7" in upstream.list_subjects()[-1]
            clock.seconds += WRITE_INTERVAL
            holder.open(EMPTY)
            assert not holder.renew_and_flush()
            assert holder.stop_reason is not None
            assert holder.stop_reason.code == "lease-lost"
            return
        with pytest.raises(ReconcilerError) as caught:
            person.lock.force_unlock(seen, "here")
        assert code(caught) == "locked"
        assert LOCK in upstream.read_files()


def test_breaking_what_is_free_by_now_does_nothing(upstream: BareRepository, clock: FakeClock) -> None:
    person = store(upstream, clock, OTHER)
    with store(upstream, clock).lock.hold(HOLDER):
        seen = person.lock.clear_stale("here")
    before = upstream.list_subjects()
    person.lock.force_unlock(seen, "here")
    assert upstream.list_subjects() == before


def test_a_state_that_fits_nowhere_else_goes_to_the_refuge(
    upstream: BareRepository, clock: FakeClock, tmp_path: Path
) -> None:
    one = store(upstream, clock)
    assert one.backups.write(EMPTY) == tmp_path / ".reconciler" / "state.json.rescued-0"
    (tmp_path / ".reconciler" / "state.json.rescued-0").unlink()
    (tmp_path / ".reconciler").rmdir()
    (tmp_path / ".reconciler").write_text("in the way")
    assert one.backups.write(EMPTY) is None
    refuge = tmp_path / "refuge"
    with_refuge = build_remote_store(
        parse_state_location(f"git:{upstream.path}/{BRANCH}"),  # type: ignore[arg-type]
        "state.json",
        build_context(upstream.path.parent, clock=clock),
        refuge,
    )
    assert with_refuge.backups.write(EMPTY) == refuge / "state.json.rescued-0"


def test_no_key_is_kept(upstream: BareRepository, clock: FakeClock) -> None:
    assert store(upstream, clock).key_file is None


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def slow(upstream: BareRepository, command: str, seconds: float) -> str:
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
    upstream: BareRepository, clock: FakeClock
) -> None:
    one, person = store(upstream, clock), store(upstream, clock, OTHER)
    with one.lock.hold(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        person.lock.force_unlock(person.lock.clear_stale("here"), "here")
        assert one.renew_and_flush()
        clock.seconds += POLL_INTERVAL
        eventually(lambda: not one.renew_and_flush())
        assert clock.seconds < WRITE_INTERVAL
        assert one.stop_reason is not None
        assert one.stop_reason.code == "lease-lost"
    assert upstream.list_subjects()[-1].startswith("reconciler apply: state.json, broke the lock"), (
        "nothing since"
    )


def test_what_others_write_beside_a_state_is_no_reason_to_stop(
    upstream: BareRepository, clock: FakeClock
) -> None:
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    around = build_context(upstream.path.parent, OTHER, clock)
    one, neighbour = store(upstream, clock), build_remote_store(place, "other.state.json", around)  # type: ignore[arg-type]
    with one.lock.hold(HOLDER), neighbour.lock.hold(OTHER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        neighbour.read()
        neighbour.open(EMPTY).sync()
        before = threading.active_count()
        clock.seconds += POLL_INTERVAL
        assert one.renew_and_flush()
        eventually(lambda: threading.active_count() == before)
        assert one.renew_and_flush()
        session.close()
    assert sorted(upstream.read_files()) == ["other.state.json", "state.json"]


def test_a_look_at_a_place_that_is_slow_or_away_holds_nobody_up(
    upstream: BareRepository, clock: FakeClock
) -> None:
    one = store(upstream, clock, PATH=slow(upstream, "ls-remote", 20))
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += POLL_INTERVAL
        began = time.monotonic()
        assert one.renew_and_flush()
        eventually((upstream.path.parent / "bin" / "began").exists)
        assert one.renew_and_flush()
        session.close()
        assert time.monotonic() - began < 5
    assert list(upstream.read_files()) == ["state.json"]


def test_a_look_that_fails_is_made_again_and_stops_nobody(upstream: BareRepository, clock: FakeClock) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        there = upstream.path.rename(upstream.path.with_name("away.git"))
        for _ in range(3):
            clock.seconds += POLL_INTERVAL
            before = threading.active_count()
            assert one.renew_and_flush()
            eventually(lambda before=before: threading.active_count() == before)  # type: ignore[misc]
            assert one.renew_and_flush()
        there.rename(upstream.path)


@pytest.mark.parametrize("happened", ["nothing", "taken over", "cut off"])
def test_a_machine_that_was_asleep_for_longer_than_its_lock_lasts_asks_before_it_goes_on(
    upstream: BareRepository, clock: FakeClock, happened: str
) -> None:
    one = store(upstream, clock)
    with ExitStack() as until_the_end, one.lock.hold(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        clock.asleep = LEASE_TTL + CLOCK_SKEW + 1
        if happened == "taken over":
            until_the_end.enter_context(store(upstream, clock, OTHER).lock.hold(OTHER))
        if happened == "cut off":
            upstream.path.rename(upstream.path.with_name("away.git"))
        assert one.renew_and_flush() is (happened == "nothing")
        told = one.stop_reason
        assert (told.code if told else "") == ("" if happened == "nothing" else "lease-lost")


def test_a_branch_that_was_set_back_is_not_called_another_runs(
    upstream: BareRepository, clock: FakeClock
) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        one.read()
        one.open(EMPTY).sync()
        run_git(upstream.path, "update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1")
        clock.seconds += WRITE_INTERVAL
        one.open(EMPTY)
        assert not one.renew_and_flush()
    assert one.stop_reason is not None
    [note] = one.stop_reason.notes
    assert note.startswith("an older version of the state was restored")


def test_a_lock_that_cannot_be_let_go_of_is_told(upstream: BareRepository, clock: FakeClock) -> None:
    one = store(upstream, clock)
    with one.lock.hold(HOLDER):
        assert one.lock.release_failure is None
        upstream.add_hook("pre-receive", "echo 'Monday is no day for that' >&2; exit 1")
    assert one.lock.release_failure is not None
    assert one.lock.release_failure.code == "lock-left"
    assert one.lock.release_failure.notes == (
        "the server says: Monday is no day for that",
        "other runs have to wait until it expires, at 2026-11-26T10:06:00+00:00",
    )


def test_whoever_only_reads_knows_who_writes(upstream: BareRepository, clock: FakeClock) -> None:
    reader = store(upstream, clock, OTHER)
    with store(upstream, clock).lock.hold(HOLDER):
        reader.read()
        hold = reader.lock.current_owner(OTHER)
        assert hold is not None
        assert hold.holder == HOLDER
        assert reader.lock.current_owner(HOLDER) is None
    reader.read()
    assert reader.lock.current_owner(OTHER) is None


def test_whoever_wants_to_leave_writes_once_and_lets_go_in_the_same_write(
    upstream: BareRepository, clock: FakeClock
) -> None:
    around = build_context(upstream.path.parent, HOLDER, clock)
    one = build_remote_store(parse_state_location(f"git:{upstream.path}/{BRANCH}"), "state.json", around)  # type: ignore[arg-type]
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        around.shutdown.set()
        clock.seconds += WRITE_INTERVAL
        assert one.renew_and_flush()
        assert records_in(upstream) == {}, "that is left to the end"
        backups = upstream.path.parent / ".reconciler"
        assert not backups.exists()
        upstream.add_hook("pre-receive", f"ls {backups} > {backups.with_name('seen')}")
        one.finish(session)
        assert backups.with_name("seen").read_text() == "state.json.rescued-1\n", "it comes first"
        assert list(backups.iterdir()) == [], "and is not needed any more"
        assert list(upstream.read_files()) == ["state.json"]
    assert upstream.list_subjects()[-1] == "reconciler apply: state.json, serial 2, 1 records; unlocked"


def records_in(upstream: BareRepository) -> dict[str, object]:
    found: dict[str, object] = json.loads(upstream.read_files().get("state.json", '{"records": {}}'))[
        "records"
    ]
    return found


def test_whoever_wants_to_leave_waits_for_a_place_no_longer_than_there_is_time(
    upstream: BareRepository, clock: FakeClock
) -> None:
    environ = {"PATH": slow(upstream, "push", 20)}
    around = build_context(upstream.path.parent, HOLDER, clock, **environ)
    one = build_remote_store(parse_state_location(f"git:{upstream.path}/{BRANCH}"), "state.json", around)  # type: ignore[arg-type]
    with one.lock.hold(HOLDER):
        one.read()
        session = one.open(EMPTY)
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += WRITE_INTERVAL
        threading.Timer(0.3, around.shutdown.set).start()
        began = time.monotonic()
        assert one.renew_and_flush()
        assert time.monotonic() - began < 1, "it is not waited for at all, since it comes again"
        clock.seconds += 60
        with pytest.raises(OSError, match=f"did not end within {MIN_CALL_TIMEOUT:g} s"):
            session.close()
    assert time.monotonic() - began < 1 + 2 * MIN_CALL_TIMEOUT
