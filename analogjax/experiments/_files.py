"""Writing result files: whole or not at all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where no directory can be locked.
    fcntl = None  # type: ignore[assignment]


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file by ``write(temporary path)`` and moves it into place once it is complete."""
    path = path.resolve()  # What a link points to is written, and the link stays.
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Waits until no other process is in here with this directory; on Windows it does not wait."""
    directory.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_directory(path: Path) -> None:
    """Raises a ValueError if results cannot be written to a directory ``path``."""
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not _is_writable(existing):
        why = "cannot be written to" if existing.is_dir() else "is a file"
        raise ValueError(
            f"Results cannot be written to {path}: {existing} {why}; give another --out."
        )


def _is_writable(directory: Path) -> bool:
    """Whether a file can be made in it, which its permissions alone do not tell."""
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def write_json(path: Path, content) -> None:
    """Writes one JSON document, readable by people too."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda p: p.write_text(text))


def write_lines(path: Path, rows: Iterable[dict]) -> None:
    """Writes JSON lines: one object a line."""
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    write_whole(path, lambda p: p.write_text(text))
