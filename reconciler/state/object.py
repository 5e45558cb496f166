"""A state in a bucket: an object, written only if it still has the version that was seen last.

Credentials, region and endpoint are those that the library finds in the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`),
or in the role of the machine. Needs the extra `object-store`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.place import ObjectPlace
from reconciler.state.shelf import ChangedError, RemoteError, Surroundings

if TYPE_CHECKING:
    from obstore import UpdateVersion

_PATIENCE = timedelta(seconds=20)
_REPEATS = 3
_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_HOME = {"s3": "S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}


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
        makers: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
        try:
            self._bucket = makers[place.scheme](
                place.bucket,
                # Nothing is said about the client: that would silence what the environment says about it.
                retry_config={"max_retries": _REPEATS, "retry_timeout": _PATIENCE},
            )
        except (BaseError, ValueError) as error:  # what the environment says is not enough
            raise ReconcilerError([_unusable(place, error)]) from None
        self._seen: dict[str, UpdateVersion | None] = {}
        self._perhaps: dict[str, set[bytes]] = {}  # written, as far as anybody knows

    def read(self, *names: str) -> dict[str, bytes | None]:
        """What the objects hold now. Raises RemoteError."""
        for name in names:
            self._perhaps.pop(name, None)
        return {name: self._read(name) or None for name in names}

    def write(self, changes: Mapping[str, bytes | None], told: str) -> None:
        """Replace objects one after the other. Raises RemoteError, and ChangedError where one is not as it was last
        seen; those before it are replaced then. There is no history, so nobody is `told`."""
        for name, content in changes.items():
            self._write(name, content or b"")

    def _read(self, name: str) -> bytes:
        from obstore.exceptions import BaseError

        try:
            answer = self._bucket.get(name)
            content = bytes(answer.bytes())
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._problem(error) from None
            self._seen[name] = None
            return b""
        except BaseError as error:
            raise self._problem(error) from None
        self._seen[name] = _version(answer.meta)
        return content

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
        version = self._seen[name]
        made = self._bucket.put(name, content, mode="create" if version is None else version)
        self._seen[name] = _version(made)

    def _problem(self, error: Exception) -> RemoteError:
        """What went wrong. The library's own words hold addresses, which may have a signature in them."""
        text = str(error)
        if _NO_BUCKET.search(text):
            return RemoteError("there is no such bucket", "make the bucket, or correct its name")
        status, code = _STATUS.search(text), _CODE.search(text)
        if status is None:
            return RemoteError(
                f"{self._home} did not answer", "see that its endpoint can be reached from here"
            )
        reason = f"{status[1].strip()}, {code[1]}" if code else status[1].strip()
        return RemoteError(
            f"{self._home} answers {reason}",
            "see that the credentials of this environment may read and write there",
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
        help="install it with `pip install 'fivetran-reconciler[object-store]'`",
    )


def _unusable(place: ObjectPlace, error: Exception) -> Diagnostic:
    return Diagnostic(
        "state-unusable",
        f"the state `{place}` cannot be reached with the settings of this environment ({type(error).__name__})",
        help="see which variables your cloud needs, such as `AWS_REGION` or `AZURE_STORAGE_ACCOUNT_NAME`",
    )
