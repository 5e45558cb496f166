"""Test an object as backend, against an emulated S3 on a loopback socket."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from remote_backends import LOCK, S3Bucket, S3Proxy, build_clock, build_context, open_bucket

from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.state_location import ObjectKey, parse_state_location
from reconciler.runtime.deadline import MIN_CALL_TIMEOUT, SHUTDOWN_TIMEOUT, ShutdownDeadline
from reconciler.state.backend import BackendError, ConflictError, UnusableBackendError
from reconciler.state.lease import RemoteLock
from reconciler.state.object import ObjectBackend
from reconciler.state.remote import build_remote_store


@pytest.fixture(scope="module")
def server() -> Iterator[S3Bucket]:
    """Start an emulated S3."""
    with open_bucket() as made:
        yield made


@pytest.fixture
def bucket(server: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> S3Bucket:
    """Empty the bucket, and set the environment for it."""
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    for key in ("state.json", "state.json.lock"):
        server.remove(key)
    return server


def make_backend(text: str = "s3://states/state.json", **environ: str) -> ObjectBackend:
    place = parse_state_location(text)
    assert isinstance(place, ObjectKey)
    return ObjectBackend(place, build_context(Path.cwd(), **environ))


def test_a_written_file_is_read_back(bucket: S3Bucket) -> None:
    backend = make_backend()
    assert backend.read("state.json", "state.json.lock") == {"state.json": None, "state.json.lock": None}
    backend.write({"state.json.lock": b"mine", "state.json": b"1"}, "because")
    backend.write({"state.json": b"2"}, "because")
    assert bucket.read_files() == {"state.json.lock": "mine", "state.json": "2"}
    backend.write({"state.json.lock": None}, "because")
    assert bucket.read_files() == {"state.json": "2"}
    assert make_backend().read("state.json", "state.json.lock") == {
        "state.json": b"2",
        "state.json.lock": None,
    }


def test_a_write_of_another_run_is_never_replaced(bucket: S3Bucket) -> None:
    first, second, third = make_backend(), make_backend(), make_backend()
    for each in (first, second):
        each.read("state.json")
    first.write({"state.json": b"first"}, "first")
    with pytest.raises(ConflictError):
        second.write({"state.json": b"second"}, "made at the same time")
    third.read("state.json")
    first.write({"state.json": b"first again"}, "first")
    with pytest.raises(ConflictError):
        third.write({"state.json": b"third"}, "replaced at the same time")
    assert bucket.read_files() == {"state.json": "first again"}


def test_one_of_many_concurrent_writes_succeeds(bucket: S3Bucket) -> None:
    count = 10
    ready, won = threading.Barrier(count), []

    def write(number: int) -> None:
        backend = make_backend()
        backend.read("state.json")
        ready.wait(60)
        with suppress(ConflictError):
            backend.write({"state.json": f"{number}".encode()}, "me first")
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    [winner] = won
    assert bucket.read_files() == {"state.json": f"{winner}"}


def test_a_deleted_object_is_not_recreated_by_a_stale_write(bucket: S3Bucket) -> None:
    backend = make_backend()
    backend.read("state.json")
    backend.write({"state.json": b"first"}, "first")
    bucket.remove("state.json")
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"second"}, "second")
    assert bucket.read_files() == {}


def test_a_write_with_unknown_result_may_have_succeeded(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make_backend()
    backend.read("state.json")
    put = backend._put

    def put_and_fail(name: str, content: bytes) -> None:
        seen = backend._known[name]
        put(name, content)
        backend._known[name] = seen
        raise OSError("the line is dead")

    with monkeypatch.context() as patch:
        patch.setattr(backend, "_put", put_and_fail)
        with pytest.raises(BackendError) as caught:
            backend.write({"state.json": b"first"}, "first")
        assert not isinstance(caught.value, ConflictError)
    backend.write({"state.json": b"first"}, "the same again")
    with monkeypatch.context() as patch:
        patch.setattr(backend, "_put", put_and_fail)
        with pytest.raises(BackendError):
            backend.write({"state.json": b"second"}, "second")
    backend.write({"state.json": b"third"}, "another one")
    assert bucket.read_files() == {"state.json": "third"}
    bucket.put("state.json", "of another run")
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"fourth"}, "fourth")


def test_a_missing_bucket_is_not_an_empty_bucket(bucket: S3Bucket) -> None:
    with pytest.raises(BackendError, match="there is no such bucket"):
        make_backend("s3://nowhere/state.json").read("state.json")


def test_an_unreachable_endpoint_is_reported(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BackendError, match="S3 did not answer") as caught:
        make_backend().read("state.json")
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_missing_library_is_reported_with_the_extra(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ReconcilerError) as caught:
        make_backend(f"{scheme}://states/state.json")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "object-store-not-installed"
    assert diagnostic.help is not None
    assert "`pip install '.[object-store]'` in a clone" in diagnostic.help


def test_a_missing_cloud_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ReconcilerError) as caught:
        make_backend("az://states/state.json")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "state-unusable"
    assert diagnostic.help == "set `AZURE_STORAGE_ACCOUNT_NAME` to the account that the container is in"


@pytest.fixture
def proxied_bucket(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """Open a proxy for the bucket that can fail, and set the environment for it."""
    with S3Proxy(bucket.environ["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def test_a_store_without_conditional_writes_gives_no_lock(proxied_bucket: S3Proxy, bucket: S3Bucket) -> None:
    context = build_context(Path.cwd())

    def acquire_lock() -> None:
        RemoteLock(make_backend(), LOCK, context.holder, context).acquire()

    proxied_bucket.dropped_headers = frozenset({"if-none-match"})
    with pytest.raises(UnusableBackendError, match=r"ignores `If-Match` or `If-None-Match`") as caught:
        acquire_lock()
    assert "or in git" in caught.value.advice
    assert bucket.read_files() == {}, "the lock is released"
    proxied_bucket.dropped_headers = frozenset({"if-match"})
    with pytest.raises(UnusableBackendError, match="several runs could have its lock at once"):
        acquire_lock()
    proxied_bucket.dropped_headers = frozenset()
    acquire_lock()
    assert list(bucket.read_files()) == [LOCK]


def test_the_later_of_two_accepted_writes_has_the_lock(proxied_bucket: S3Proxy, bucket: S3Bucket) -> None:
    """A store that checks and writes in two steps may check the other run's condition before this run's write."""
    context = build_context(Path.cwd())
    holder = {"pid": 12, "host": "runner-8", "user": "ci", "since": "x", "doing": "reconciler apply"}
    lease = json.dumps({"holder": holder, "mark": "m", "until": "2026-11-26T10:05:00+00:00"})
    place = parse_state_location("s3://states/state.json")
    assert isinstance(place, ObjectKey)
    store = build_remote_store(place, "state.json", context)
    proxied_bucket.after_write = lambda: bucket.put(LOCK, lease)
    with pytest.raises(ReconcilerError) as caught, store.lock.hold(context.holder):
        pass
    [problem] = caught.value.diagnostics
    assert problem.code == "locked"
    assert problem.notes[0].startswith("it is held by `reconciler apply` by ci on runner-8")
    assert bucket.read_files() == {LOCK: lease}, "the other run keeps it"


def test_a_version_change_without_a_write_is_not_another_run(
    proxied_bucket: S3Proxy, bucket: S3Bucket
) -> None:
    backend = make_backend()
    backend.read("state.json")
    proxied_bucket.wrong_tag = '"0123"'
    backend.write({"state.json": b"first"}, "first")
    assert backend.is_unchanged("state.json")
    backend.write({"state.json": b"second"}, "second")
    assert bucket.read_files() == {"state.json": "second"}
    proxied_bucket.wrong_tag = '"4567"'
    backend.write({"state.json": b"third"}, "third")
    bucket.put("state.json", "second")
    assert not backend.is_unchanged("state.json"), "an older write is restored"
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"fourth"}, "fourth")


def test_a_poll_requests_only_the_version(bucket: S3Bucket) -> None:
    backend, deadline = make_backend(), ShutdownDeadline(build_clock(), threading.Event())
    backend.read("state.json")
    assert backend.version("state.json", deadline) == backend.known_version("state.json")
    backend.write({"state.json": b"first"}, "first")
    assert backend.version("state.json", deadline) == backend.known_version("state.json")
    assert backend.is_unchanged("state.json")
    bucket.put("state.json", "second")
    assert backend.version("state.json", deadline) != backend.known_version("state.json")
    assert not backend.is_unchanged("state.json")
    assert backend.peek("state.json") == b"second"
    with pytest.raises(ConflictError):
        backend.write({"state.json": b"third"}, "third")


def test_a_silent_endpoint_does_not_delay_a_shutdown(proxied_bucket: S3Proxy) -> None:
    proxied_bucket.silent.set()
    clock = build_clock()
    context = build_context(Path.cwd(), clock=clock)
    context.deadline.begin_shutdown()
    clock.seconds = SHUTDOWN_TIMEOUT
    place = parse_state_location("s3://states/state.json")
    assert isinstance(place, ObjectKey)
    began = time.monotonic()
    with pytest.raises(BackendError, match="S3 did not answer"):
        ObjectBackend(place, context).read("state.json")
    assert MIN_CALL_TIMEOUT <= time.monotonic() - began < 25, "the call does not take its usual 30 seconds"


def test_a_signal_is_handled_during_a_call_to_a_silent_endpoint(proxied_bucket: S3Proxy) -> None:
    proxied_bucket.silent.set()

    def interrupt() -> None:
        assert proxied_bucket.waiting.wait(20)
        signal.raise_signal(signal.SIGINT)

    backend = make_backend()
    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        backend.read("state.json")
    assert time.monotonic() - began < 25, "the signal ends the call before its timeout"


def test_plain_http_is_refused_before_any_request() -> None:
    with pytest.raises(ReconcilerError) as caught:
        make_backend(AWS_ENDPOINT_URL="http://minio.example.invalid:9000")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "state-unusable"
    assert "`AWS_ENDPOINT_URL` is a plain http address" in diagnostic.message
    assert "AWS_ALLOW_HTTP=true" in diagnostic.help
    make_backend(AWS_ENDPOINT_URL="http://minio.example.invalid:9000", AWS_ALLOW_HTTP="true")
    make_backend(AWS_ENDPOINT_URL="https://minio.example.invalid:9000")


def test_missing_keys_are_reported_with_their_sources(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BackendError) as caught:
        make_backend().read("state.json")
    assert "`AWS_ACCESS_KEY_ID`" in caught.value.advice
    assert "`AWS_PROFILE` and `~/.aws` are not read" in caught.value.advice
    with pytest.raises(BackendError) as caught:
        make_backend(AWS_ACCESS_KEY_ID="x").read("state.json")
    assert caught.value.advice == "see that its endpoint can be reached from here"
