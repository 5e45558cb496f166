"""Keep a state in a bucket: an object, written only if it still has the version that was read last.

The library takes credentials, region and endpoint from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`), or from the
role of the machine. Needs the extra `object-store`.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.extras import Extra, describe_installation
from reconciler.model.state_location import ObjectKey
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.state.backend import BackendContext, BackendError, ConflictError, UnusableBackendError

if TYPE_CHECKING:
    from obstore import UpdateVersion

_TIMEOUT = 30.0
"""Seconds for one call of the library, with its repetitions."""
_MAX_RETRIES = 3
_RETRY_TIMEOUT = timedelta(seconds=20)
_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_PROVIDERS = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_S3_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
_TRUE = frozenset({"1", "true", "on", "yes", "y"})

_CallResult = TypeVar("_CallResult")


class ObjectBackend:
    """Backend with objects by key. A removed object stays and is empty: stores cannot delete on a condition."""

    def __init__(self, location: ObjectKey, context: BackendContext) -> None:
        """Prepare the client. Nothing is reached yet. Raises ReconcilerError if the library is missing."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import AzureStore, GCSStore, S3Store
        except ModuleNotFoundError:
            raise ReconcilerError([_explain_not_installed(location)]) from None
        self._provider = _PROVIDERS[location.scheme]
        self._deadline = context.deadline
        self._environ = context.environ
        _refuse_plain_http(location, context.environ)
        store_classes: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        try:
            self._bucket = store_classes[location.scheme](
                location.bucket,
                # No client options here: they would replace all client options of the environment.
                retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": _RETRY_TIMEOUT},
            )
        except (BaseError, ValueError) as error:  # the environment lacks a setting
            raise ReconcilerError([_explain_unusable(location, error)]) from None
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
            return str(_read_version(_run_with_deadline(lambda: head(self._bucket, name), deadline)))
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
        for stale_condition in (None,) if condition is None else (None, condition):
            try:
                self._known[name] = self._store(name, content, stale_condition)
            except (AlreadyExistsError, PreconditionError):
                continue
            except (BaseError, OSError) as error:
                raise self._to_backend_error(error) from None
            raise UnusableBackendError(
                "it replaces objects although they have changed (it ignores `If-Match` or `If-None-Match`), so that"
                " several runs could have its lock at once",
                "keep the state in a store with conditional writes, or in git",
            )
        if self._fetch(name)[0] != content:
            raise ConflictError("another run wrote to it at the same moment")

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
            return _run_with_deadline(download, self._deadline)
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
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
        except (AlreadyExistsError, PreconditionError):
            # An earlier write of this run may have been carried out without an answer. A version may also change while
            # the content stays, for example if a store encrypts its objects anew. No other run writes the same content:
            # a lease holds a random mark, a state its serial.
            current = self._read(name)
            if current not in possibly_written:
                raise ConflictError("another run wrote to it in the meantime") from None
            if current != content:
                self._put_again(name, content)
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error) from None
        self._possibly_written[name] = {content}

    def _put_again(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            self._put(name, content)
        except (AlreadyExistsError, PreconditionError):
            raise ConflictError("another run wrote to it in the meantime") from None
        except (BaseError, OSError) as error:
            raise self._to_backend_error(error) from None

    def _put(self, name: str, content: bytes) -> None:
        before = self._known[name]
        self._last_write[name] = before, content
        self._known[name] = self._store(name, content, before)

    def _store(self, name: str, content: bytes, before: UpdateVersion | None) -> UpdateVersion:
        """Write an object that has the version `before`, or is new (None). Returns its new version."""
        mode = "create" if before is None else before
        return _read_version(
            _run_with_deadline(lambda: self._bucket.put(name, content, mode=mode), self._deadline)
        )

    def _to_backend_error(self, error: Exception) -> BackendError:
        """Describe an error of the library. Its own text is not shown: it holds addresses, which may include a
        signature."""
        text = str(error)
        if _NO_BUCKET.search(text):
            return BackendError("there is no such bucket", "create the bucket, or correct its name")
        status, code = _STATUS.search(text), _CODE.search(text)
        if status is None or "169.254.169.254" in text:
            return BackendError(f"{self._provider} did not answer", self._advise_access())
        reason = f"{status[1].strip()}, {code[1]}" if code else status[1].strip()
        return BackendError(
            f"{self._provider} answers {reason}",
            "see that the credentials of this environment may read and write there",
        )

    def _advise_access(self) -> str:
        if self._provider != "S3" or any(self._environ.get(name) for name in _S3_CREDENTIALS):
            return "see that its endpoint can be reached from here"
        return (
            "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or see that this machine has a role: without keys"
            " that role was asked for, and `AWS_PROFILE` and `~/.aws` are not read"
        )


def _run_with_deadline(call: Callable[[], _CallResult], deadline: ShutdownDeadline) -> _CallResult:
    """Run a call of the library with a deadline. Raises TimeoutError, and the errors of the call.

    The library has no deadline for a whole call and blocks signals meanwhile. So a thread makes the call, and is
    abandoned if the call takes too long.
    """
    # No coroutines: the library completes them from its own threads, and aborts a process that ends at that moment.
    outcomes: queue.SimpleQueue[tuple[_CallResult, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcomes.put((call(), None))
        except BaseException as error:  # raised again by the waiting thread
            outcomes.put((None, error))

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


def _refuse_plain_http(location: ObjectKey, environ: Mapping[str, str]) -> None:
    """Refuse a plain http endpoint, for which the library would fail without a reason. Raises ReconcilerError."""
    variable = next((name for name in _ENDPOINTS if environ.get(name)), None)
    if location.scheme != "s3" or variable is None or not environ[variable].lower().startswith("http://"):
        return
    if environ.get("AWS_ALLOW_HTTP", "").lower() not in _TRUE:
        raise ReconcilerError(
            [
                Diagnostic(
                    "state-unusable",
                    f"the state `{location}` cannot be reached: `{variable}` is a plain http address",
                    help="use https, or set `AWS_ALLOW_HTTP=true` in a network that you trust",
                )
            ]
        )


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


def _explain_unusable(location: ObjectKey, error: Exception) -> Diagnostic:
    advice = "see which variables your cloud needs, such as `AWS_REGION`"
    if "Account must be specified" in str(error):
        advice = "set `AZURE_STORAGE_ACCOUNT_NAME` to the account that the container is in"
    return Diagnostic(
        "state-unusable",
        f"the state `{location}` cannot be reached with the settings of this environment ({type(error).__name__})",
        help=advice,
    )
