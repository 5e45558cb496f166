"""Keep a state in a bucket: an object, written only if it still has the version that was read last.

The library takes credentials, region and endpoint from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`), or from the
role of the machine. Needs the extra `object-store`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.extras import Extra, describe_installation
from reconciler.model.state_location import ObjectKey
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.workers import map_parallel
from reconciler.state.backend import (
    BackendContext,
    BackendError,
    ConflictError,
    RateLimitedError,
    UnusableBackendError,
)
from reconciler.state.object_errors import describe_failure, is_missing_bucket, is_refused_condition
from reconciler.state.object_services import SERVICES
from reconciler.state.object_settings import check_environ, explain_refused_settings
from reconciler.state.request_pacing import Backoff, WritePacer

if TYPE_CHECKING:
    from obstore import UpdateVersion

_TIMEOUT = 30.0
"""Seconds for one attempt of a call."""
_READERS = 8
"""Concurrent reads of objects beside the state."""
_NO_RETRIES = {"max_retries": 0, "retry_timeout": timedelta(seconds=_TIMEOUT)}
"""The library would repeat a refused write within a fraction of a second, which counts against a rate limit."""

_CallResult = TypeVar("_CallResult")


class ObjectBackend:
    """Backend with objects by key. A removed object stays and is empty: stores cannot delete on a condition."""

    writes_together = False

    def __init__(self, location: ObjectKey, context: BackendContext) -> None:
        """Prepare the client. Nothing is reached yet. Raises ReconcilerError if the library is missing, or for settings
        with which no request can be sent."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import AzureStore, GCSStore, S3Store
        except ModuleNotFoundError:
            raise ReconcilerError([_explain_not_installed(location)]) from None
        self._scheme = location.scheme
        self._service = SERVICES[location.scheme]
        self._clock = context.clock
        self._entropy = context.entropy
        self._deadline = context.deadline
        self._environ = context.environ
        self._pacer = WritePacer(self._service.write_interval, context.clock, context.deadline)
        check_environ(location, context.environ)
        store_classes: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        try:
            self._bucket = store_classes[location.scheme](
                location.bucket,
                # No client options here: they would replace all client options of the environment.
                retry_config=_NO_RETRIES,
            )
        except (BaseError, ValueError) as error:  # the environment lacks a setting
            raise ReconcilerError([explain_refused_settings(location, context.environ, error)]) from None
        self._known: dict[str, UpdateVersion | None] = {}
        self._last_write: dict[str, tuple[UpdateVersion | None, bytes]] = {}  # condition of each write
        self._possibly_written: dict[
            str, set[bytes]
        ] = {}  # the last answered write, and all later writes without an answer

    def read(self, *names: str) -> dict[str, bytes | None]:
        """Read objects; None for a missing or removed object. Raises BackendError."""
        for name in names:
            self._possibly_written.pop(name, None)
        return {name: self._read(name) or None for name in names}

    def peek(self, name: str) -> bytes | None:
        """Read an object as it is now. Raises BackendError."""
        return self._fetch(name)[0] or None

    def list_beside(self, name: str) -> dict[str, str]:
        """List the other objects up to the last `/` of a key as they are now. Raises BackendError."""
        from obstore import list_with_delimiter
        from obstore.exceptions import BaseError

        folder = name.rpartition("/")[0]
        try:
            found = self._call(lambda: list_with_delimiter(self._bucket, folder or None), self._deadline)
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error) from None
        return {
            item["path"]: f"{item['e_tag'] or item['last_modified']} {item['version']}"
            for item in found["objects"]
            if item["size"] and item["path"] != name
        }

    def read_beside(self, names: Collection[str]) -> dict[str, bytes | BackendError]:
        """Read objects as they are now."""

        def read(name: str) -> bytes | BackendError:
            try:
                return self._fetch(name)[0]
            except BackendError as error:
                return error

        return {name: content for name, content in map_parallel(read, names, _READERS) if content != b""}

    def write(self, changes: Mapping[str, bytes | None], message: str) -> None:
        """Replace objects one after the other. Raises BackendError, and ConflictError if an object has another version
        by now; the objects before it are replaced then. There is no history, so `message` is not used."""
        for name, content in changes.items():
            self._write(name, content or b"")

    def is_unchanged(self, name: str) -> bool:
        """Check whether an object is as it was last read or written here. Raises BackendError."""
        content, version = self._fetch(name)
        return version == self._known[name] or content in self._possibly_written.get(name, ())

    def version(self, name: str, deadline: ShutdownDeadline) -> str:
        """Look up the version of an object. Raises BackendError."""
        from obstore import head
        from obstore.exceptions import BaseError

        try:
            return str(_read_version(self._call(lambda: head(self._bucket, name), deadline)))
        except FileNotFoundError:
            return str(None)
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error) from None

    def known_version(self, name: str) -> str:
        """Return the version as of the last read or write."""
        return str(self._known[name])

    def verify_conditional_writes(self, name: str) -> None:
        """Check that the store refuses writes on conditions that no longer hold: that the object is new, and that it
        has its former version. A store that ignores conditions accepts such a write, and would give its lock to any
        number of runs.

        Then read the object back. A store that checks a condition and writes in two steps may accept two concurrent
        writes and answer both with success; only the later write counts.

        Raises UnusableBackendError, ConflictError if the object holds the write of another run, and BackendError.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        condition, content = self._last_write[name]
        has_two_conditions = condition is not None and not self._service.has_one_condition
        for stale_condition in (None, condition) if has_two_conditions else (None,):
            try:
                self._known[name] = self._store(name, content, stale_condition)
            except (AlreadyExistsError, PreconditionError) as error:
                if is_refused_condition(error):
                    continue
                raise self._to_backend_error(error, is_write=True) from None
            except (BaseError, OSError) as error:
                raise self._to_backend_error(error, is_write=True) from None
            self._discard(name)
            raise UnusableBackendError(
                "it replaces objects although they have changed (it ignores `If-Match` or `If-None-Match`), so that"
                " several runs could have its lock at once",
                "keep the state in a store with conditional writes, or in git",
            )
        if self._fetch(name)[0] != content:
            raise ConflictError("another run wrote to it at the same moment")

    def delete(self, name: str) -> None:
        """Delete an object that only this run uses: a deletion has no condition. Raises BackendError."""
        from obstore.exceptions import BaseError

        try:
            self._pacer.wait_for_turn(name)
            self._call(lambda: self._bucket.delete(name), self._deadline)
        except FileNotFoundError:
            return  # some services answer so, others do not
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error, is_write=True) from None

    def _discard(self, name: str) -> None:
        """Delete an object of a store whose locks are worth nothing; empty the object if it cannot be deleted."""
        from obstore.exceptions import BaseError

        with suppress(BaseError, OSError):
            try:
                self._pacer.wait_for_turn(name)
                self._call(lambda: self._bucket.delete(name), self._deadline)
            except (BaseError, OSError):
                self._known[name] = self._store(name, b"", self._known[name])

    def _read(self, name: str) -> bytes:
        content, self._known[name] = self._fetch(name)
        return content

    def _fetch(self, name: str) -> tuple[bytes, UpdateVersion | None]:
        """Fetch content and version of an object; empty and None if it is missing. Raises BackendError."""
        from obstore.exceptions import BaseError

        def download() -> tuple[bytes, UpdateVersion]:
            found = self._bucket.get(name)
            return bytes(found.bytes()), _read_version(found.meta)

        try:
            return self._call(download, self._deadline)
        except FileNotFoundError as error:
            if is_missing_bucket(error):
                raise self._to_backend_error(error) from None
            return b"", None
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error) from None

    def _write(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        possibly_written = self._possibly_written.setdefault(name, set())
        possibly_written.add(content)
        try:
            self._put(name, content)
        except (AlreadyExistsError, PreconditionError) as error:
            if not is_refused_condition(error):
                raise self._to_backend_error(error, is_write=True) from None
            # An earlier write of this run may have been carried out without an answer. A version may also change while
            # the content stays, for example if a store encrypts its objects anew. No other run writes the same content:
            # a lease holds a random mark, a state its serial.
            current = self._read(name)
            if current not in possibly_written:
                raise ConflictError("another run wrote to it in the meantime") from None
            if current != content:
                self._put_again(name, content)
        except (BaseError, OSError, NotImplementedError) as error:
            raise self._to_backend_error(error, is_write=True) from None
        self._possibly_written[name] = {content}

    def _put_again(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            self._put(name, content)
        except (AlreadyExistsError, PreconditionError):
            raise ConflictError("another run wrote to it in the meantime") from None
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error, is_write=True) from None

    def _put(self, name: str, content: bytes) -> None:
        before = self._known[name]
        self._last_write[name] = before, content
        self._known[name] = self._store(name, content, before)

    def _store(self, name: str, content: bytes, before: UpdateVersion | None) -> UpdateVersion:
        """Write an object that has the version `before`, or is new (None). Returns its new version."""
        mode = "create" if before is None else before

        def put() -> UpdateVersion:
            return _read_version(self._bucket.put(name, content, mode=mode))

        return self._call(put, self._deadline, writes=name)

    def _call(
        self, call: Callable[[], _CallResult], deadline: ShutdownDeadline, *, writes: str | None = None
    ) -> _CallResult:
        """Make a call of the library, which may write the object `writes`, and repeat it if it may succeed later.
        Raises the errors of the last attempt."""
        from obstore.exceptions import BaseError

        backoff = Backoff(self._clock, deadline, self._entropy)
        while True:
            try:
                return self._attempt(call, deadline, writes)
            except (BaseError, OSError) as error:
                failure = describe_failure(self._scheme, self._environ, error, is_write=writes is not None)
                if not failure.is_transient or not backoff.wait(is_rate_limit=failure.is_rate_limit):
                    raise

    def _attempt(
        self, call: Callable[[], _CallResult], deadline: ShutdownDeadline, writes: str | None
    ) -> _CallResult:
        if writes is None:
            return _run_with_deadline(call, deadline)
        self._pacer.wait_for_turn(writes)
        try:
            return _run_with_deadline(call, deadline)
        finally:
            self._pacer.mark_written(writes)

    def _to_backend_error(self, error: Exception, *, is_write: bool = False) -> BackendError:
        """Describe an error of the library, whose own text holds addresses, which may include a signature."""
        failure = describe_failure(self._scheme, self._environ, error, is_write=is_write)
        if failure.is_unusable:
            return UnusableBackendError(failure.text, failure.advice)
        error_class = RateLimitedError if failure.is_rate_limit else BackendError
        return error_class(failure.text, failure.advice)


def _run_with_deadline(call: Callable[[], _CallResult], deadline: ShutdownDeadline) -> _CallResult:
    """Run a call of the library with a deadline. Raises TimeoutError, and the errors of the call.

    The library has no deadline for a whole call and blocks signals meanwhile. So a thread makes the call, and is
    abandoned if the call takes too long.
    """
    # No coroutines: the library completes them from its own threads, and aborts a process that ends at that moment.
    outcomes: queue.SimpleQueue[tuple[_CallResult, None] | tuple[None, Exception]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcomes.put((call(), None))
        except Exception as error:  # raised again by the waiting thread
            outcomes.put((None, error))
        except BaseException as error:  # a crash of the library, which is no Exception
            outcomes.put((None, OSError(f"the library crashed: {type(error).__name__}")))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    for seconds in deadline.intervals(_TIMEOUT):
        try:
            result, error = outcomes.get(timeout=seconds)
        except queue.Empty:
            continue
        thread.join()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
    raise TimeoutError("it did not end in time")


def _read_version(metadata: Mapping[str, Any]) -> UpdateVersion:
    """Read the version of an object: a tag, a number, or both. A part that the cloud does not use must be left out."""
    version: UpdateVersion = {}
    if metadata["e_tag"] is not None:
        version["e_tag"] = metadata["e_tag"]
    if metadata["version"] is not None:
        version["version"] = metadata["version"]
    return version


def _explain_not_installed(location: ObjectKey) -> Diagnostic:
    return Diagnostic(
        "object-store-not-installed",
        f"the state `{location}` needs the library `obstore`, which is not installed",
        help=f"install it with {describe_installation(Extra.OBJECT_STORE)}",
    )
