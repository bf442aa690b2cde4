"""Checkpoints of a training: whole or not there, and never taken for sound when damaged."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analogjax.experiments._differences import differences
from analogjax.experiments._files import check_directory
from analogjax.experiments._versions import versions
from analogjax.rules import leaf_name

FORMAT = 1
KEEP = 2
RECORD = "record.json"
STATE = "state"
PARTIAL = ".partial-"


class Restored(NamedTuple):
    """What a checkpoint holds.

    Attributes:
      epoch: epochs made.
      state: the state after them.
      rows: what was recorded of each epoch.
      notices: what one should know: damaged checkpoints passed over, other versions.
    """

    epoch: int
    state: Any
    rows: list[dict[str, Any]]
    notices: list[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one run, in a directory of their own.

    Each is a directory named after its epoch: the state as orbax writes it, and ``record.json``
    with the settings, versions and metrics of the run and a checksum of every file. It is written
    under another name and renamed once it is complete, so that whatever ends the process, the one
    before stays. The newest two are kept.

    Attributes:
      directory: where they are.
      settings: all that decides the outcome of the run; what JSON can hold. A run with others
        does not go on from these checkpoints.
      every: epochs from one checkpoint to the next, or None to write one only where a run is
        stopped.
      at_end: whether to write one after the last epoch in any case: of one of several runs, which
        has ended when the others are stopped.

    Example:
      >>> import tempfile
      >>> import jax, jax.numpy as jnp
      >>> from analogjax.experiments import Checkpoints
      >>> state = {"w": jnp.arange(3.0), "key": jax.random.key(0)}
      >>> checkpoints = Checkpoints(directory=tempfile.mkdtemp(), settings={"rate": 0.1}, every=1)
      >>> _ = checkpoints.save(7, state, [{"loss": 0.5}])
      >>> restored = checkpoints.restore(jax.eval_shape(lambda: state))
      >>> restored.epoch, restored.rows, restored.state["w"].tolist()
      (7, [{'loss': 0.5}], [0.0, 1.0, 2.0])
    """

    directory: Path | str
    settings: dict[str, Any]
    every: int | None = None
    at_end: bool = False

    def save(self, epoch: int, state, rows: list[dict[str, Any]]) -> Path:
        """Writes a checkpoint and removes those it makes superfluous.

        Args:
          epoch: epochs made.
          state: a tree of arrays; PRNG keys may be among them.
          rows: what was recorded of each epoch, as JSON can hold it.

        Returns:
          Its directory.

        Raises:
          OSError: if it cannot be written; those that are there stay as they are.
          ValueError: if the run has several processes.
        """
        _check_one_process()
        directory = Path(self.directory).absolute()
        check_directory(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for left in directory.glob(f"{PARTIAL}*"):
                shutil.rmtree(left)
            path = self._write(directory, epoch, state, rows)
        except Exception as error:  # Orbax and its storage raise errors of many kinds.
            kept = self._epochs()
            stays = f"that of epoch {kept[-1]} stays" if kept else "there is none before it"
            raise OSError(
                f"The checkpoint of epoch {epoch} could not be written to {directory} "
                f"({_reason(error)}); {stays}. Make room there, or give another directory."
            ) from error
        for old in self._epochs()[:-KEEP]:
            _remove(self._path(old))
        return path

    def restore(self, like) -> Restored | None:
        """Reads the newest checkpoint that is whole.

        Args:
          like: a tree of arrays or of ``jax.ShapeDtypeStruct``, which the state is read into;
            arrays keep the sharding given there.

        Returns:
          What it holds, or None where there is no checkpoint.

        Raises:
          ValueError: if the checkpoints are of a run with other settings, of a state of another
            form, of another implementation of PRNG keys or of a newer analogjax, or if none of
            them is whole; or if the run has several processes.
        """
        _check_one_process()
        damaged: list[str] = []
        for epoch in reversed(self._epochs()):
            path = self._path(epoch)
            record = _sound_record(path)
            if isinstance(record, dict):
                self._check(path, record, like)
                notices = [f"Passed over {text}" for text in damaged] + _other_versions(record)
                return Restored(epoch, _read_state(path, like), record["rows"], notices)
            damaged.append(f"{path.name}: {record}.")
        if damaged:
            raise ValueError(
                f"No checkpoint in {self.directory} is whole ({' '.join(damaged)}) Delete the "
                f"directory to begin anew."
            )
        return None

    def of_part(self, name: str, settings: dict[str, Any]) -> "Checkpoints":
        """Those of one of several runs that belong together, in a directory below this one.

        Args:
          name: of the run.
          settings: what it has beside the settings of all.
        """
        directory = Path(self.directory) / "-".join(re.findall(r"\w+", name.lower()))
        both = self.settings | {"rule": settings}
        return dataclasses.replace(self, directory=directory, settings=both, at_end=True)

    def due(self, epoch: int, last: bool) -> bool:
        """Whether one is to be written after so many epochs.

        Args:
          epoch: epochs made.
          last: whether they are all.
        """
        if last:
            return self.at_end or self.every is not None
        return self.every is not None and epoch % self.every == 0

    def check_none(self) -> None:
        """Raises a ValueError if there are any, of an earlier run."""
        if self.newest() is not None:
            raise ValueError(
                f"{self.directory} has the checkpoints of an earlier run: go on from them with "
                f"--resume, delete them, or give another directory."
            )

    def newest(self) -> Path | None:
        """The directory of the newest one, sound or not."""
        epochs = self._epochs()
        return self._path(epochs[-1]) if epochs else None

    def remove(self) -> None:
        """Removes all of them."""
        if Path(self.directory).exists():
            shutil.rmtree(self.directory)

    def _path(self, epoch: int) -> Path:
        return Path(self.directory).absolute() / f"{epoch:08d}"

    def _epochs(self) -> list[int]:
        """The epochs there is a checkpoint of, in order."""
        directory = Path(self.directory)
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
        return sorted(int(name) for name in names if name.isdecimal())

    def _write(self, directory: Path, epoch: int, state, rows) -> Path:
        from orbax.checkpoint import v1 as ocp

        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=directory))
        try:
            with _without_tracebacks():
                ocp.save(partial / STATE, _storable(state))
            record = {
                "format": FORMAT,
                "epoch": epoch,
                "settings": self.settings,
                "versions": versions(),
                "keys": _key_kinds(state),
                "state": _forms(state),
                "rows": rows,
                "files": _checksums(partial / STATE),
            }
            text = json.dumps(record | {"sha256": _digest(record)}, indent=1, allow_nan=False)
            (partial / RECORD).write_text(text + "\n")
            partial.chmod(0o755)
            _to_disk(partial)
            path = self._path(epoch)
            if path.exists():  # A damaged one that was passed over.
                _remove(path)
            partial.rename(path)
            _sync(directory)
        except Exception:
            time.sleep(0.5)  # Threads of orbax may not have noticed yet, and go on writing.
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return path

    def _check(self, path: Path, record: dict, like) -> None:
        """Raises a ValueError if a sound checkpoint is not one of this run."""
        if record["format"] > FORMAT:
            raise ValueError(
                f"{path} has format {record['format']}, of a newer analogjax "
                f"({record['versions']['analogjax']}); this one reads up to {FORMAT}: update it."
            )
        changed = differences(record["settings"], json.loads(json.dumps(self.settings)))
        if changed:
            raise ValueError(
                f"The checkpoints in {self.directory} are of a run with other settings: "
                f"{'; '.join(changed)}. Give the settings they have, or another directory."
            )
        if record["keys"] != _key_kinds(like):
            raise ValueError(
                f"{path} has PRNG keys of {', '.join(record['keys'])}, this run has "
                f"{', '.join(_key_kinds(like))}: set jax_default_prng_impl as it was."
            )
        changed = differences(record["state"], _forms(like))
        if changed:
            raise ValueError(
                f"{path} holds a state of another form: {'; '.join(changed[:4])}. It is of another "
                f"model, rule or version of analogjax ({record['versions']['analogjax']})."
            )


def _check_one_process() -> None:
    if jax.process_count() > 1:
        raise ValueError(
            f"These checkpoints are of runs of one process, this one has {jax.process_count()}: "
            f"use orbax itself, whose processes write together."
        )


def _reason(error: Exception) -> str:
    """What went wrong, without the pages that a storage may add."""
    if "No space left" in str(error):
        return "no space is left on the device"
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Within it, orbax does not log what it raises."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _sound_record(path: Path) -> dict[str, Any] | str:
    """The record of a checkpoint if all its files are as they were written, else what is not."""
    try:
        record = json.loads((path / RECORD).read_bytes())
        whole = record.pop("sha256") == _digest(record)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return f"{RECORD} is missing or cannot be read"
    if not whole:
        return f"{RECORD} is damaged"
    if record["format"] > FORMAT:
        return record
    found = _checksums(path / STATE)
    for name, checksum in record["files"].items():
        if found.get(name) != checksum:
            return f"{STATE}/{name} is {'damaged' if name in found else 'missing'}"
    return record


def _read_state(path: Path, like):
    from orbax.checkpoint import v1 as ocp

    def target(leaf):
        sharding = getattr(leaf, "sharding", None)
        sharding = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    wanted = jax.tree.map(target, _storable(like))
    return _as_before(ocp.load(path / STATE, wanted), like)


def _named(tree) -> dict[str, Any]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {leaf_name(path): leaf for path, leaf in leaves}


def _storable(tree) -> dict[str, Any]:
    """The leaves by name, without the empty ones, which orbax refuses."""
    return {name: leaf for name, leaf in _named(tree).items() if leaf.size}


def _as_before(stored: dict[str, Any], like):
    """The tree again, of what was stored."""
    leaves = [
        stored[name] if leaf.size else jnp.zeros(leaf.shape, leaf.dtype)
        for name, leaf in _named(like).items()
    ]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _forms(tree) -> dict[str, str]:
    """The type and shape of each leaf."""
    return {
        name: f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
        for name, leaf in _named(tree).items()
    }


def _key_kinds(tree) -> list[str]:
    """The implementations of the PRNG keys in a tree."""
    kinds = [leaf.dtype for leaf in jax.tree.leaves(tree)]
    return sorted({str(k) for k in kinds if jax.dtypes.issubdtype(k, jax.dtypes.prng_key)})


def _other_versions(record: dict[str, Any]) -> list[str]:
    changed = differences(record["versions"], versions())
    if not changed:
        return []
    return [f"The checkpoint is of {'; '.join(changed)}: results may differ in rounding."]


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _checksums(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file below a directory, by its path there."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _to_disk(directory: Path) -> None:
    """Has the system write all files below a directory, before a name stands for them."""
    for path in [directory, *directory.rglob("*")]:
        _sync(path)


def _sync(path: Path) -> None:
    if os.name == "nt":  # Nothing there can be synced that is open for reading only.
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    """Removes a checkpoint; half removed, it has no name of a checkpoint any more."""
    gone = path.with_name(f"{PARTIAL}{path.name}")
    path.rename(gone)
    shutil.rmtree(gone)
