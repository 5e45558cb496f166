"""Write a backup of a state to this machine if its backend fails, and find the backups of earlier runs."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.record import State
from reconciler.runtime.own_folder import make_folder
from reconciler.state.atomic_file import write_atomically
from reconciler.state.codec import DamagedStateError, NewerStateError, decode_state, encode_state

_INFIX = ".rescued-"


@dataclass(frozen=True, slots=True)
class BackupFolders:
    """Folders for backups of the state `name`, in the order in which they are tried. With `creates_folders`, missing
    folders are created, since no folder of this machine exists yet for a remote state."""

    name: str
    folders: tuple[Path, ...]
    creates_folders: bool = False

    def write(self, state: State) -> Path | None:
        """Write a backup into the first folder that accepts it. Returns its path; None if no folder accepts it."""
        for folder in self.folders:
            path = folder / f"{self.name}{_INFIX}{state.serial}"
            try:
                if self.creates_folders:
                    make_folder(folder)
                write_atomically(path, encode_state(state))
            except OSError:
                continue
            return path
        return None

    def read(self) -> Iterator[tuple[Path, State]]:
        """Read all backups. A file that is no state is skipped."""
        for folder in self.folders:
            for path in sorted(folder.glob(f"{glob.escape(self.name)}{_INFIX}*")):
                try:
                    state = decode_state(path.read_bytes())
                except (OSError, DamagedStateError, NewerStateError):
                    continue
                yield path, state

    def replace(self, path: Path, state: State) -> None:
        """Write another state in place of a backup. Raises OSError."""
        write_atomically(path, encode_state(state))
