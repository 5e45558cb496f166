"""Keep the times of the last reads of destinations, in a file beside a state.

The times only decide which destinations a run with a budget reads first. So no run needs a lock for them: each run
merges its own times into the file as it is at that moment, and a lost time costs one more read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from reconciler.runtime.own_folder import make_folder
from reconciler.state.atomic_file import write_atomically
from reconciler.state.backend import Backend, ConflictError

FORMAT: Final = 1
SUFFIX = ".reads"
"""Text behind the name of the state that is the name of the file with its times."""

_MAX_ATTEMPTS = 8
_NEVER = datetime.min.replace(tzinfo=UTC)

Times: TypeAlias = Mapping[str, datetime]
"""Times by the id of the group of a destination."""
Update: TypeAlias = Callable[[bytes | None], bytes]
"""Function that makes the new content of a file from its content; None for a missing file."""


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """Times of the last `reads`, and of the last reads that `failed`. A destination that has never been read has none
    of the first."""

    reads: Times = field(default_factory=dict)
    failed: Times = field(default_factory=dict)

    def get_last_attempt(self, id: str) -> datetime:
        """Return the time of the last read, failed or not; a time before all others if there was none."""
        return max(self.reads.get(id, _NEVER), self.failed.get(id, _NEVER))

    def select(self, accepts: Callable[[str, datetime], bool]) -> ReadTimes:
        """Select the times that a function accepts by their id and time."""
        reads, failed = (
            {id: time for id, time in times.items() if accepts(id, time)}
            for times in (self.reads, self.failed)
        )
        return ReadTimes(reads, failed)


class DamagedTimesError(Exception):
    """Some bytes are no times of reads. The text names the problem and never repeats content."""


class NewerTimesError(Exception):
    """Times of reads have a format that only a newer version of this program reads."""


class _TimesDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: Literal[1] = FORMAT
    reads: dict[str, AwareDatetime]
    failed: dict[str, AwareDatetime] = {}


def encode_times(times: ReadTimes) -> bytes:
    """Encode times as canonical JSON with a line for each destination."""
    failed = {"failed": _format_times(times.failed)} if times.failed else {}
    document = {"format": FORMAT, "reads": _format_times(times.reads), **failed}
    return f"{json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True)}\n".encode()


def _format_times(times: Times) -> dict[str, str]:
    return {id: time.astimezone(UTC).isoformat(timespec="milliseconds") for id, time in times.items()}


def decode_times(content: bytes) -> ReadTimes:
    """Decode times. Raises DamagedTimesError, NewerTimesError."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedTimesError("it is not valid JSON") from None
    if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
        raise NewerTimesError(f"its format is {data['format']}, this version knows {FORMAT}")
    try:
        document = _TimesDocument.model_validate(data)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise DamagedTimesError(f"it has not the shape of times of reads at {place}") from None
    return ReadTimes(document.reads, document.failed)


def merge_times(*sides: ReadTimes) -> ReadTimes:
    """Merge times: the latest time of each destination counts. A failure counts until the next read."""
    reads = _merge(times.reads for times in sides)
    failed = _merge(times.failed for times in sides)
    return ReadTimes(reads, {id: time for id, time in failed.items() if time > reads.get(id, _NEVER)})


def _merge(sides: Iterable[Times]) -> dict[str, datetime]:
    merged: dict[str, datetime] = {}
    for times in sides:
        for id, time in times.items():
            merged[id] = max(time, merged.get(id, time))
    return merged


class TimesFile(Protocol):
    """File with the times of reads. `display_name` is its place in messages, without credentials."""

    @property
    def display_name(self) -> str: ...

    def read(self) -> bytes | None:
        """Read the file; None if it is missing. Raises OSError."""

    def update(self, update: Update, message: str) -> None:
        """Replace the content of the file, as it is now, by what `update` makes of it. A backend with a history records
        the `message`. Raises OSError, and the errors of `update`."""


@dataclass(frozen=True, slots=True)
class LocalTimesFile:
    """Times of reads in a file of this machine. Of two runs at the same moment one may lose its times."""

    path: Path
    display_name: str

    def read(self) -> bytes | None:
        """Read the file; None if it is missing. Raises OSError."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def update(self, update: Update, message: str) -> None:
        """Replace the content of the file, so that a crash leaves the old or the new content. Raises OSError."""
        content = update(self.read())
        make_folder(self.path.parent)
        write_atomically(self.path, content)


@dataclass(frozen=True, slots=True)
class RemoteTimesFile:
    """Times of reads in the file `name` of a backend."""

    backend: Backend
    name: str
    display_name: str

    def read(self) -> bytes | None:
        """Read the file; None if it is missing. Raises BackendError."""
        return self.backend.read(self.name)[self.name]

    def update(self, update: Update, message: str) -> None:
        """Replace the content of the file at the version from which `update` made it. If another run was faster, the
        update is made again from the content of that run. Raises BackendError."""
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            content = update(self.read())
            try:
                self.backend.write({self.name: content}, message)
            except ConflictError:
                if attempt == _MAX_ATTEMPTS:
                    raise
            else:
                return
