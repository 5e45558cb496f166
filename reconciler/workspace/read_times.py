"""Keep the times of reads of a project beside its state, or on this machine if they cannot be written there."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.read_coverage import TimesPlace
from reconciler.spec.files import display_path
from reconciler.state.read_times import (
    SUFFIX,
    DamagedTimesError,
    LocalTimesFile,
    NewerTimesError,
    ReadTimes,
    TimesFile,
    Update,
    decode_times,
    encode_times,
    merge_times,
)
from reconciler.workspace.project_state import STATE, path_for
from reconciler.workspace.workspace import Workspace

MAX_CLOCK_SKEW = timedelta(days=1)
"""A time of a read that is further in the future counts as none: its destination would otherwise be read last for as
long as a wrong clock has said."""


@dataclass(frozen=True, slots=True)
class ReadTimesMemory:
    """Times of reads of a project. `shared` is the file beside the state, and `local` the file of this machine, which
    holds the times of runs that could not write to `shared`. `now` is the time of the run."""

    shared: TimesFile
    local: LocalTimesFile
    now: datetime

    def load(self) -> tuple[ReadTimes, tuple[Diagnostic, ...]]:
        """Load the latest time of each destination, with a warning for each damaged file. Raises ReconcilerError for a
        file of a newer version. A file that cannot be read counts as missing."""
        times = ReadTimes()
        warnings: list[Diagnostic] = []
        for file in {file.display_name: file for file in (self.shared, self.local)}.values():
            try:
                times = merge_times(times, self._decode(file.read()))
            except DamagedTimesError as error:
                warnings.append(_warn_damaged(file, error))
            except NewerTimesError as error:
                raise ReconcilerError([_explain_newer(file, error)]) from error
            except OSError:
                continue
        return times, tuple(warnings)

    def save(self, times: ReadTimes, known: Collection[str], message: str) -> TimesPlace:
        """Save new and loaded times, merged with the times that other runs have written meanwhile, without destinations
        that are not `known` any more. Returns the place."""

        def update(content: bytes | None) -> bytes:
            merged = merge_times(self._decode_undamaged(content), times)
            return encode_times(merged.select(lambda id, _: id in known))

        try:
            self.shared.update(update, message)
        except (OSError, NewerTimesError) as error:
            return self._save_locally(update, message, reason=_describe(error))
        if self.local.display_name != self.shared.display_name:
            with suppress(OSError):
                self.local.path.unlink(missing_ok=True)
        return TimesPlace(self.shared.display_name)

    def _save_locally(self, update: Update, message: str, *, reason: str) -> TimesPlace:
        try:
            self.local.update(update, message)
        except (OSError, NewerTimesError):
            return TimesPlace("", is_shared=False, reason=reason)
        return TimesPlace(self.local.display_name, is_shared=False, reason=reason)

    def _decode(self, content: bytes | None) -> ReadTimes:
        times = ReadTimes() if content is None else decode_times(content)
        return times.select(lambda _, time: time - self.now <= MAX_CLOCK_SKEW)

    def _decode_undamaged(self, content: bytes | None) -> ReadTimes:
        """Decode times for their replacement: a damaged file has none. Raises NewerTimesError."""
        try:
            return self._decode(content)
        except DamagedTimesError:
            return ReadTimes()


def open_read_times(workspace: Workspace) -> ReadTimesMemory:
    """Open the times of reads of a project. Reads nothing."""
    settings = workspace.settings
    path = path_for(workspace.specs.project, f"{STATE}{SUFFIX}", sandbox=settings.sandbox)
    return ReadTimesMemory(
        workspace.state.build_times_file(),
        LocalTimesFile(path, display_path(path, settings.directory)),
        settings.clock.now(),
    )


def _describe(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _warn_damaged(file: TimesFile, error: DamagedTimesError) -> Diagnostic:
    return Diagnostic(
        "reads-damaged",
        f"the times of reads in `{file.display_name}` are damaged: {error}",
        severity=Severity.WARNING,
        notes=("a new round of reads begins",),
        help="nothing has to be done: this run replaces the file",
    )


def _explain_newer(file: TimesFile, error: NewerTimesError) -> Diagnostic:
    return Diagnostic(
        "reads-newer",
        f"the times of reads in `{file.display_name}` were written by a newer version of this program: {error}",
        help="use that version on every machine that looks for drift, or delete the file to begin a new round",
    )
