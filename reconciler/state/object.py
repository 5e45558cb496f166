"""A state in a bucket: an object, written only if it still has the version that was seen last.

Credentials, region and endpoint are those that the library finds in the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`),
or in the role of the machine. Needs the extra `object-store`.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.extras import Extra, installation_of
from reconciler.model.place import ObjectPlace
from reconciler.state.patience import Patience
from reconciler.state.shelf import ChangedError, RemoteError, Surroundings, UnusableError

if TYPE_CHECKING:
    from obstore import UpdateVersion

_PATIENCE = 30.0
"""Seconds for one call of the library, with its repetitions."""
_REPEATS = 3
_REPEATED_FOR = timedelta(seconds=20)
_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_HOME = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_KEYS_OF_S3 = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
_TRUE = frozenset({"1", "true", "on", "yes", "y"})

_Result = TypeVar("_Result")


class ObjectShelf:
    """Objects by key. One that is taken away stays there and is empty: nothing can be deleted on a condition."""

    def __init__(self, place: ObjectPlace, surroundings: Surroundings) -> None:
        """Nothing is reached yet. Raises ReconcilerError where the library is missing."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import AzureStore, GCSStore, S3Store
        except ModuleNotFoundError:
            raise ReconcilerError([_not_installed(place)]) from None
        self._home = _HOME[place.scheme]
        self._patience = surroundings.patience
        self._environ = surroundings.environ
        _refuse_plain_http(place, surroundings.environ)
        makers: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        try:
            self._bucket = makers[place.scheme](
                place.bucket,
                # Nothing is said about the client: that would silence what the environment says about it.
                retry_config={"max_retries": _REPEATS, "retry_timeout": _REPEATED_FOR},
            )
        except (BaseError, ValueError) as error:  # what the environment says is not enough
            raise ReconcilerError([_unusable(place, error)]) from None
        self._seen: dict[str, UpdateVersion | None] = {}
        self._last: dict[str, tuple[UpdateVersion | None, bytes]] = {}  # on which condition what was written
        self._perhaps: dict[str, set[bytes]] = {}  # written, as far as anybody knows

    def read(self, *names: str) -> dict[str, bytes | None]:
        """What the objects hold now. Raises RemoteError."""
        for name in names:
            self._perhaps.pop(name, None)
        return {name: self._read(name) or None for name in names}

    def peek(self, name: str) -> bytes | None:
        """What an object holds now. Raises RemoteError."""
        return self._found(name)[0] or None

    def write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Replace objects one after the other. Raises RemoteError, and ChangedError where one is not as it was last
        seen; those before it are replaced then. There is no history, so nobody is `told`."""
        for name, content in changes.items():
            self._write(name, content or b"")

    def is_as_seen(self, name: str) -> bool:
        """Whether an object is as it was last read or written here. Raises RemoteError."""
        content, version = self._found(name)
        return version == self._seen[name] or content in self._perhaps.get(name, ())

    def stamp(self, name: str, patience: Patience) -> str:
        """The version of an object. Raises RemoteError."""
        from obstore import head
        from obstore.exceptions import BaseError

        try:
            return str(_version(_awaited(lambda: head(self._bucket, name), patience)))
        except FileNotFoundError:
            return str(None)
        except (BaseError, OSError) as error:
            raise self._problem(error) from None

    def known_stamp(self, name: str) -> str:
        """The version that was last read or written."""
        return str(self._seen[name])

    def prove(self, name: str) -> None:
        """Write an object once more on the conditions that no longer hold: that it is new, and that it is as it was
        before. A store that knows no conditions takes that. It would give its lock to any number of runs."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        condition, content = self._last[name]
        for used_up in (None,) if condition is None else (None, condition):
            try:
                self._seen[name] = self._stored(name, content, used_up)
            except (AlreadyExistsError, PreconditionError):
                continue
            except (BaseError, OSError) as error:
                raise self._problem(error) from None
            raise UnusableError(
                "it replaces objects although they have changed (it ignores `If-Match` or `If-None-Match`), so that"
                " several runs could have its lock at once",
                "keep the state in a store with conditional writes, or in git",
            )

    def _read(self, name: str) -> bytes:
        content, self._seen[name] = self._found(name)
        return content

    def _found(self, name: str) -> tuple[bytes, UpdateVersion | None]:
        """What an object holds now, and its version. Raises RemoteError."""
        from obstore.exceptions import BaseError

        def answer() -> tuple[bytes, UpdateVersion]:
            found = self._bucket.get(name)
            return bytes(found.bytes()), _version(found.meta)

        try:
            return _awaited(answer, self._patience)
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._problem(error) from None
            return b"", None
        except (BaseError, OSError) as error:
            raise self._problem(error) from None

    def _write(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        perhaps = self._perhaps.setdefault(name, set())
        perhaps.add(content)
        try:
            self._put(name, content)
        except (AlreadyExistsError, PreconditionError):
            # An earlier write of ours may have come through without an answer.
            there = self._read(name)
            if there not in perhaps:
                raise ChangedError("somebody else wrote to it in the meantime") from None
            if there != content:
                self._put_again(name, content)
        except (BaseError, OSError) as error:
            raise self._problem(error) from None
        perhaps.clear()

    def _put_again(self, name: str, content: bytes) -> None:
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            self._put(name, content)
        except (AlreadyExistsError, PreconditionError):
            raise ChangedError("somebody else wrote to it in the meantime") from None
        except (BaseError, OSError) as error:
            raise self._problem(error) from None

    def _put(self, name: str, content: bytes) -> None:
        before = self._seen[name]
        self._last[name] = before, content
        self._seen[name] = self._stored(name, content, before)

    def _stored(self, name: str, content: bytes, before: UpdateVersion | None) -> UpdateVersion:
        """Write an object that has the version `before`, or that is new; its version then."""
        mode = "create" if before is None else before
        return _version(_awaited(lambda: self._bucket.put(name, content, mode=mode), self._patience))

    def _problem(self, error: Exception) -> RemoteError:
        """What went wrong. The library's own words hold addresses, which may have a signature in them."""
        text = str(error)
        if _NO_BUCKET.search(text):
            return RemoteError("there is no such bucket", "make the bucket, or correct its name")
        status, code = _STATUS.search(text), _CODE.search(text)
        if status is None or "169.254.169.254" in text:
            return RemoteError(f"{self._home} did not answer", self._how_to_reach())
        reason = f"{status[1].strip()}, {code[1]}" if code else status[1].strip()
        return RemoteError(
            f"{self._home} answers {reason}",
            "see that the credentials of this environment may read and write there",
        )

    def _how_to_reach(self) -> str:
        if self._home != "S3" or any(self._environ.get(name) for name in _KEYS_OF_S3):
            return "see that its endpoint can be reached from here"
        return (
            "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or see that this machine has a role: without keys"
            " that role was asked for, and `AWS_PROFILE` and `~/.aws` are not read"
        )


def _awaited(work: Callable[[], _Result], patience: Patience) -> _Result:
    """What comes of a call of the library, which knows no deadline for the whole of it and lets no signal through. So a
    thread makes it, and is left alone where it takes too long. Raises TimeoutError."""
    # No coroutines of the library: its own threads end them, and abort a process that ends at the same moment.
    ended: queue.SimpleQueue[tuple[_Result, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ended.put((work(), None))
        except BaseException as error:  # raised again by whoever waits
            ended.put((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    for seconds in patience.slices(_PATIENCE):
        try:
            result, error = ended.get(timeout=seconds)
        except queue.Empty:
            continue
        thread.join()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]
    raise TimeoutError("it did not come to an end")


def _refuse_plain_http(place: ObjectPlace, environ: Mapping[str, str]) -> None:
    """The library says nothing about why it does not use such an endpoint. Raises ReconcilerError."""
    named = next((name for name in _ENDPOINTS if environ.get(name)), None)
    if place.scheme != "s3" or named is None or not environ[named].lower().startswith("http://"):
        return
    if environ.get("AWS_ALLOW_HTTP", "").lower() not in _TRUE:
        raise ReconcilerError(
            [
                Diagnostic(
                    "state-unusable",
                    f"the state `{place}` cannot be reached: `{named}` is a plain http address",
                    help="use https; or where nobody can listen, allow it with `AWS_ALLOW_HTTP=true`",
                )
            ]
        )


def _version(told: Mapping[str, Any]) -> UpdateVersion:
    """What clouds call a version: a tag, a number, or both. What one does not have must be left out."""
    version: UpdateVersion = {}
    if told["e_tag"] is not None:
        version["e_tag"] = told["e_tag"]
    if told["version"] is not None:
        version["version"] = told["version"]
    return version


def _not_installed(place: ObjectPlace) -> Diagnostic:
    return Diagnostic(
        "object-store-not-installed",
        f"the state `{place}` needs the library `obstore`, which is not installed",
        help=f"install it with {installation_of(Extra.OBJECT_STORE)}",
    )


def _unusable(place: ObjectPlace, error: Exception) -> Diagnostic:
    advice = "see which variables your cloud needs, such as `AWS_REGION`"
    if "Account must be specified" in str(error):
        advice = "set `AZURE_STORAGE_ACCOUNT_NAME` to the account that the container is in"
    return Diagnostic(
        "state-unusable",
        f"the state `{place}` cannot be reached with the settings of this environment ({type(error).__name__})",
        help=advice,
    )
