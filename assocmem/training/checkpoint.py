"""A run on disk while it goes on: saved on the way, one run at a time, not lost to a full disk."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from assocmem import _files as files
from assocmem._checks import at_least
from assocmem.training.run import TrainingRun


class CheckpointError(OSError):
    """Raised when a run that ended or was interrupted cannot be saved; the run is in ``run``.

    Parameters
    ----------
    message : str
        Why it could not be saved.
    run : TrainingRun
        The run as it is.
    """

    def __init__(self, message: str, run: TrainingRun) -> None:
        super().__init__(message)
        self.run = run


class Checkpoint:
    """Where a run is saved while it goes on, or nowhere; a context that keeps other runs out.

    Entering it finds out at once whether the folder can be written, and whether another run is
    using the path. A save that fails on the way is tried again at the next; the last one must hold.
    """

    def __init__(self, path: str | Path | None, every: int) -> None:
        self.path, self.every = path, at_least("checkpoint_every", every, 1)
        if path is not None:
            files.checked_path("checkpoint", path)
        self._lock = ExitStack()

    def __enter__(self) -> Self:
        if self.path is not None:
            self._lock.enter_context(files.locked(self.path, "checkpoint"))
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def resumed(self, run: TrainingRun) -> TrainingRun:
        """Return the saved run to go on with, if there is one; it has to be the same run."""
        if self.path is None or not files.beside(self.path, ".npz").exists():
            return run
        return run.going_on(TrainingRun.load(self.path), self.path)

    def passing(self, run: TrainingRun) -> None:
        """Save the run if it is time to; warn if that fails."""
        if self.path is None or run.step % self.every or run.step == run.settings.steps:
            return
        try:
            run.save(self.path)
        except OSError as error:
            warnings.warn(
                f"checkpoint: step {run.step} could not be saved in {self.path} ({error}). The run "
                f"goes on, and tries again {self.every} steps later.",
                RuntimeWarning,
                stacklevel=2,
            )

    def last(self, run: TrainingRun) -> None:
        """Save the run where it ends.

        Raises CheckpointError, which has the run, if that fails.
        """
        if self.path is None:
            return
        try:
            run.save(self.path)
        except OSError as error:
            raise CheckpointError(
                f"checkpoint: the run of {run.step} steps could not be saved in {self.path} "
                f"({error}). It is the attribute run of this error: save it elsewhere with "
                f"error.run.save.",
                run,
            ) from error

    def interrupted(self, run: TrainingRun) -> KeyboardInterrupt:
        """Save the run after Ctrl-C, and return what to raise."""
        if self.path is None:
            return KeyboardInterrupt()
        self.last(run)
        return KeyboardInterrupt(
            f"stopped after {run.step} of {run.settings.steps} steps, saved in {self.path}: make "
            f"the same call again to go on from there"
        )
