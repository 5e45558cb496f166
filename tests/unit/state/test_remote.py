"""Test a remote state through the store."""

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

pytestmark = pytest.mark.sampled(every=6, tests=2)

OTHER = replace(HOLDER, pid=12, host="runner-8")
EMPTY = State("a-lineage", 0, "an_account")
ORDERS = Address("group", "orders")
LOCK = "state.json.lock"


@pytest.fixture
def upstream(tmp_path: Path) -> BareRepository:
    """Create a bare repository."""
    return BareRepository(tmp_path / "upstream.git")


@pytest.fixture
def clock() -> FakeClock:
    """Make a clock that only tests advance."""
    return build_clock()


def make_store(
    upstream: BareRepository, clock: FakeClock, holder: LockInfo = HOLDER, **environ: str
) -> Store:
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    context = build_context(upstream.path.parent, holder, clock, **environ)
    return build_remote_store(place, "state.json", context)  # type: ignore[arg-type]


def get_code(error: pytest.ExceptionInfo[ReconcilerError]) -> str:
    [diagnostic] = error.value.diagnostics
    return diagnostic.code


def list_records(upstream: BareRepository) -> list[str]:
    return list(json.loads(upstream.read_files()["state.json"])["records"])


def test_a_removal_is_pushed_with_its_forgotten_records(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        assert store.read() is None
        session = store.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        session.stage([(ORDERS, CompletedRemoval("decent_dropsy", Extent.PAIR))])
        session.close()
        state = store.read()
    assert state is not None
    assert (state.records, state.removals) == ({}, {"orders": CompletedRemoval("decent_dropsy", Extent.PAIR)})


def test_staged_records_are_pushed_at_intervals_and_at_the_end(
    upstream: BareRepository, clock: FakeClock
) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        assert store.read() is None
        session = store.open(EMPTY)
        assert list(upstream.read_files()) == [LOCK], "nothing is written yet"
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        assert store.renew_and_flush()
        assert list_records(upstream) == []
        clock.seconds += WRITE_INTERVAL
        assert store.renew_and_flush()
        assert list_records(upstream) == ["group.orders"]
        clock.seconds += WRITE_INTERVAL
        before = upstream.list_subjects()
        assert store.renew_and_flush()
        assert upstream.list_subjects() == before, "nothing changed"
        session.stage([(ORDERS, None)])
        session.close()
        assert list_records(upstream) == []
    assert list(upstream.read_files()) == ["state.json"]
    found = make_store(upstream, clock).read()
    assert found is not None
    assert found.serial == 2


def test_every_renewal_writes_its_time_as_the_bound_of_sent_requests(
    upstream: BareRepository, clock: FakeClock
) -> None:
    """An unwritten sent mark may belong to a request that was sent up to this time."""
    intent = Intent(Action.CREATE, "Orders", begun=Instant(clock.now()))
    store, other = make_store(upstream, clock), make_store(upstream, clock, OTHER)
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.stage([(ORDERS, Record(intent=intent))])
        session.sync()
        for _ in range(5):
            clock.seconds += RENEW_AFTER
            assert store.renew_and_flush()
            seen = other.read()
            assert seen is not None
            found = seen.records[ORDERS].intent
            assert found is not None
            assert found.sent == Instant(clock.now() + timedelta(seconds=LEASE_TTL))
        session.close()


def test_a_failed_write_is_retried_after_an_interval(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        upstream.add_hook("pre-receive", "exit 1")
        clock.seconds += WRITE_INTERVAL
        assert store.renew_and_flush()
        (upstream.path / "hooks" / "pre-receive").unlink()
        assert store.renew_and_flush()
        assert list_records(upstream) == [], "not before the interval has passed"
        clock.seconds += WRITE_INTERVAL
        assert store.renew_and_flush()
        assert list_records(upstream) == ["group.orders"]
        session.close()


def test_the_final_write_is_tried_twice(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        upstream.add_hook("pre-receive", "test -e once && exit 0; touch once; exit 1")
        session.close()
        assert list_records(upstream) == ["group.orders"]


def test_a_lock_with_unknown_write_result_is_released(upstream: BareRepository, clock: FakeClock) -> None:
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
    store = make_store(upstream, clock, PATH=f"{folder}:/usr/bin:/bin")
    with pytest.raises(ReconcilerError) as caught, store.lock.hold(HOLDER):
        pass
    assert get_code(caught) == "state-unreachable"
    assert [each.partition(", ")[2].split(";")[0] for each in upstream.list_subjects()] == [
        "locked",
        "unlocked",
    ]
    assert upstream.read_files() == {}


@pytest.mark.parametrize("change", ["renewed", "taken over", "nothing"])
def test_only_an_unchanged_lock_is_broken(upstream: BareRepository, clock: FakeClock, change: str) -> None:
    holder, operator = make_store(upstream, clock), make_store(upstream, clock, OTHER)
    with ExitStack() as stack, holder.lock.hold(HOLDER):
        holder.read()
        holder.open(EMPTY).sync()
        seen = operator.lock.clear_stale("here")
        assert (seen.state, seen.holder) == (LockHolderState.REMOTE, HOLDER)
        if change == "renewed":
            clock.seconds += LEASE_TTL - 1
            assert holder.renew_and_flush()
        elif change == "taken over":
            clock.seconds += LEASE_TTL + CLOCK_SKEW + 1
            stack.enter_context(make_store(upstream, clock, OTHER).lock.hold(OTHER))
        if change == "nothing":
            operator.lock.force_unlock(seen, "here")
            assert LOCK not in upstream.read_files()
            assert "broke the lock of `reconciler apply` by ci on runner-7" in upstream.list_subjects()[-1]
            clock.seconds += WRITE_INTERVAL
            holder.open(EMPTY)
            assert not holder.renew_and_flush()
            assert holder.stop_reason is not None
            assert holder.stop_reason.code == "lease-lost"
            return
        with pytest.raises(ReconcilerError) as caught:
            operator.lock.force_unlock(seen, "here")
        assert get_code(caught) == "locked"
        assert LOCK in upstream.read_files()


def test_breaking_a_released_lock_does_nothing(upstream: BareRepository, clock: FakeClock) -> None:
    operator = make_store(upstream, clock, OTHER)
    with make_store(upstream, clock).lock.hold(HOLDER):
        seen = operator.lock.clear_stale("here")
    before = upstream.list_subjects()
    operator.lock.force_unlock(seen, "here")
    assert upstream.list_subjects() == before


def test_a_state_without_another_place_is_written_to_the_fallback_folder(
    upstream: BareRepository, clock: FakeClock, tmp_path: Path
) -> None:
    store = make_store(upstream, clock)
    assert store.backups.write(EMPTY) == tmp_path / ".reconciler" / "state.json.rescued-0"
    (tmp_path / ".reconciler" / "state.json.rescued-0").unlink()
    (tmp_path / ".reconciler" / ".gitignore").unlink()
    (tmp_path / ".reconciler").rmdir()
    (tmp_path / ".reconciler").write_text("in the way")
    assert store.backups.write(EMPTY) is None
    fallback = tmp_path / "refuge"
    with_fallback = build_remote_store(
        parse_state_location(f"git:{upstream.path}/{BRANCH}"),  # type: ignore[arg-type]
        "state.json",
        build_context(upstream.path.parent, clock=clock),
        fallback,
    )
    assert with_fallback.backups.write(EMPTY) == fallback / "state.json.rescued-0"


def test_no_key_is_stored(upstream: BareRepository, clock: FakeClock) -> None:
    assert make_store(upstream, clock).key_file is None


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def write_slow_git(upstream: BareRepository, command: str, seconds: float) -> str:
    """Write a git that delays one command while a file `slow` exists. Return its PATH."""
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


def test_a_broken_lock_is_noticed_before_the_next_write(upstream: BareRepository, clock: FakeClock) -> None:
    store, operator = make_store(upstream, clock), make_store(upstream, clock, OTHER)
    with store.lock.hold(HOLDER):
        store.read()
        store.open(EMPTY).sync()
        operator.lock.force_unlock(operator.lock.clear_stale("here"), "here")
        assert store.renew_and_flush()
        clock.seconds += POLL_INTERVAL
        wait_until(lambda: not store.renew_and_flush())
        assert clock.seconds < WRITE_INTERVAL
        assert store.stop_reason is not None
        assert store.stop_reason.code == "lease-lost"
    assert upstream.list_subjects()[-1].startswith("reconciler apply: state.json, broke the lock"), (
        "nothing was written since"
    )


def test_a_write_of_a_neighbour_project_does_not_stop_a_run(
    upstream: BareRepository, clock: FakeClock
) -> None:
    place = parse_state_location(f"git:{upstream.path}/{BRANCH}")
    context = build_context(upstream.path.parent, OTHER, clock)
    store, neighbour = make_store(upstream, clock), build_remote_store(place, "other.state.json", context)  # type: ignore[arg-type]
    with store.lock.hold(HOLDER), neighbour.lock.hold(OTHER):
        store.read()
        session = store.open(EMPTY)
        session.sync()
        neighbour.read()
        neighbour.open(EMPTY).sync()
        before = threading.active_count()
        clock.seconds += POLL_INTERVAL
        assert store.renew_and_flush()
        wait_until(lambda: threading.active_count() == before)
        assert store.renew_and_flush()
        session.close()
    assert sorted(upstream.read_files()) == ["other.state.json", "state.json"]


def test_a_slow_or_unreachable_remote_does_not_delay_a_run(
    upstream: BareRepository, clock: FakeClock
) -> None:
    store = make_store(upstream, clock, PATH=write_slow_git(upstream, "ls-remote", 20))
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.sync()
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += POLL_INTERVAL
        began = time.monotonic()
        assert store.renew_and_flush()
        wait_until((upstream.path.parent / "bin" / "began").exists)
        assert store.renew_and_flush()
        session.close()
        assert time.monotonic() - began < 15, "the run does not wait 20 seconds for git"
    assert list(upstream.read_files()) == ["state.json"]


def test_a_failed_poll_is_retried_and_does_not_stop_a_run(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        store.read()
        store.open(EMPTY).sync()
        there = upstream.path.rename(upstream.path.with_name("away.git"))
        for _ in range(3):
            clock.seconds += POLL_INTERVAL
            before = threading.active_count()
            assert store.renew_and_flush()
            wait_until(lambda before=before: threading.active_count() == before)  # type: ignore[misc]
            assert store.renew_and_flush()
        there.rename(upstream.path)


@pytest.mark.parametrize("event", ["nothing", "taken over", "cut off"])
def test_a_run_checks_its_lock_after_a_sleep_beyond_the_lease(
    upstream: BareRepository, clock: FakeClock, event: str
) -> None:
    store = make_store(upstream, clock)
    with ExitStack() as stack, store.lock.hold(HOLDER):
        store.read()
        store.open(EMPTY).sync()
        clock.asleep = LEASE_TTL + CLOCK_SKEW + 1
        if event == "taken over":
            stack.enter_context(make_store(upstream, clock, OTHER).lock.hold(OTHER))
        if event == "cut off":
            upstream.path.rename(upstream.path.with_name("away.git"))
        assert store.renew_and_flush() is (event == "nothing")
        reason = store.stop_reason
        assert (reason.code if reason else "") == ("" if event == "nothing" else "lease-lost")


def test_a_reset_branch_is_not_reported_as_another_run(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        store.read()
        store.open(EMPTY).sync()
        run_git(upstream.path, "update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}~1")
        clock.seconds += WRITE_INTERVAL
        store.open(EMPTY)
        assert not store.renew_and_flush()
    assert store.stop_reason is not None
    [note] = store.stop_reason.notes
    assert note.startswith("an older version of the state was restored")


def test_a_lock_that_cannot_be_released_is_reported(upstream: BareRepository, clock: FakeClock) -> None:
    store = make_store(upstream, clock)
    with store.lock.hold(HOLDER):
        assert store.lock.release_failure is None
        upstream.add_hook("pre-receive", "echo 'Monday is no day for that' >&2; exit 1")
    assert store.lock.release_failure is not None
    assert store.lock.release_failure.code == "lock-left"
    assert store.lock.release_failure.notes == (
        "the server says: Monday is no day for that",
        "other runs have to wait until it expires, at 2026-11-26T10:06:00+00:00",
    )


def test_a_reader_sees_the_holder_of_the_lock(upstream: BareRepository, clock: FakeClock) -> None:
    reader = make_store(upstream, clock, OTHER)
    with make_store(upstream, clock).lock.hold(HOLDER):
        reader.read()
        hold = reader.lock.current_owner(OTHER)
        assert hold is not None
        assert hold.holder == HOLDER
        assert reader.lock.current_owner(HOLDER) is None
    reader.read()
    assert reader.lock.current_owner(OTHER) is None


def test_a_shutdown_writes_state_and_releases_the_lock_in_one_write(
    upstream: BareRepository, clock: FakeClock
) -> None:
    context = build_context(upstream.path.parent, HOLDER, clock)
    store = build_remote_store(parse_state_location(f"git:{upstream.path}/{BRANCH}"), "state.json", context)  # type: ignore[arg-type]
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        context.shutdown.set()
        clock.seconds += WRITE_INTERVAL
        assert store.renew_and_flush()
        assert read_records(upstream) == {}, "the final write is left to the end"
        backups = upstream.path.parent / ".reconciler"
        assert not backups.exists()
        upstream.add_hook("pre-receive", f"ls {backups} > {backups.with_name('seen')}")
        store.finish(session)
        assert backups.with_name("seen").read_text() == "state.json.rescued-1\n", (
            "the backup is written first"
        )
        left = [file.name for file in backups.iterdir()]
        assert left == [".gitignore"], "the backup is removed after success"
        assert list(upstream.read_files()) == ["state.json"]
    assert upstream.list_subjects()[-1] == "reconciler apply: state.json, serial 2, 1 records; unlocked"


def read_records(upstream: BareRepository) -> dict[str, object]:
    found: dict[str, object] = json.loads(upstream.read_files().get("state.json", '{"records": {}}'))[
        "records"
    ]
    return found


def test_a_shutdown_waits_for_the_remote_until_its_deadline(
    upstream: BareRepository, clock: FakeClock
) -> None:
    environ = {"PATH": write_slow_git(upstream, "push", 20)}
    context = build_context(upstream.path.parent, HOLDER, clock, **environ)
    store = build_remote_store(parse_state_location(f"git:{upstream.path}/{BRANCH}"), "state.json", context)  # type: ignore[arg-type]
    with store.lock.hold(HOLDER):
        store.read()
        session = store.open(EMPTY)
        session.sync()
        session.stage([(ORDERS, Record(id="decent_dropsy"))])
        (upstream.path.parent / "bin" / "slow").touch()
        clock.seconds += WRITE_INTERVAL
        threading.Timer(0.3, context.shutdown.set).start()
        began = time.monotonic()
        assert store.renew_and_flush()
        assert time.monotonic() - began < 15, "a periodic write is not waited for, because it is repeated"
        clock.seconds += 60
        with pytest.raises(OSError, match=f"did not end within {MIN_CALL_TIMEOUT:g} s"):
            session.close()
    assert time.monotonic() - began < 19, "the push takes 20 seconds"
