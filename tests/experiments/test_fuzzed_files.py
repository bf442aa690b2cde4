"""Files that are damaged at random are read as what they are or refused in one sentence."""

import gzip
import io
import json
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analogjax.experiments import Checkpoints, load
from analogjax.experiments._curves import read_curves
from analogjax.experiments._idx import _FILES
from analogjax.experiments._jpeg_archive import read_jpeg_archive
from analogjax.experiments._sweep_file import read_rows

CELLS = [{"rate": 0.1, "seed": seed} for seed in range(3)]
STATE = {"w": jnp.arange(6.0).reshape(2, 3), "key": jax.random.key(0)}


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def jpeg_archive() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    files = []
    for image in pixels:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG")
        files.append(np.frombuffer(stream.getvalue(), np.uint8))
    whole = io.BytesIO()
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(whole, jpeg=np.concatenate(files), offsets=offsets, labels=np.arange(3))
    return whole.getvalue()


def idx_directory(directory: Path, packed: bool) -> Path:
    """A small set of images; the file that is damaged is that of the training images."""
    for split, (images, labels) in _FILES.items():
        n = {"train": 6, "test": 4}[split]
        for name, array in ((images, np.ones((n, 4, 4))), (labels, np.arange(n))):
            content = idx(array)
            path = directory / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return directory


def idx_case(directory, packed=False):
    file = idx_directory(directory, packed) / (_FILES["train"][0] + (".gz" if packed else ""))
    return file, lambda: load("mnist", directory)


def curves_case(directory):
    file = directory / "curves.csv"
    lines = [f"{device},{pulse},{0.1 * n}" for device in "ab" for n, pulse in enumerate((0, 1, -1))]
    file.write_text("\n".join(["device,pulse,conductance", *lines]))
    return file, lambda: read_curves(file)


def jpeg_case(directory):
    file = directory / "train.npz"
    file.write_bytes(jpeg_archive())
    return file, lambda: read_jpeg_archive(file, (32, 32))


def rows_case(directory):
    file = directory / "cells.jsonl"
    file.write_text("".join(json.dumps({**cell, "accuracy": 0.5}) + "\n" for cell in CELLS))
    return file, lambda: read_rows(file, CELLS)


def record_case(directory):
    checkpoints = Checkpoints(directory=directory / "run", settings={"rate": 0.1})
    file = checkpoints.save(1, STATE, [{"loss": 0.5}]) / "record.json"
    return file, lambda: checkpoints.restore(jax.eval_shape(lambda: STATE))


CASES = {
    "IDX": idx_case,
    "IDX, compressed": lambda directory: idx_case(directory, packed=True),
    "CSV curves": curves_case,
    "JPEG archive": jpeg_case,
    "rows of a sweep": rows_case,
    "record of a checkpoint": record_case,
}

changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "insert", "drop", "repeat"]),
        st.floats(0.0, 1.0, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, some_changes) -> bytes:
    data = bytearray(content)
    for kind, where, value in some_changes:
        place = int(where * len(data))
        match kind:
            case "flip" if data:
                data[place] ^= 1 << value % 8
            case "set" if data:
                data[place] = value
            case "cut":
                del data[place:]
            case "insert":
                data[place:place] = bytes([value])
            case "drop":
                del data[place : place + value]
            case "repeat":
                data[place:place] = data[place : place + value]
    return bytes(data)


def search(case, directory: Path, examples: int):
    file, read = CASES[case](directory)
    content = file.read_bytes()
    read()

    @settings(
        deadline=None,
        max_examples=examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes)
    def one(some_changes):
        file.write_bytes(damaged(content, some_changes))
        try:
            read()
        except (ValueError, OSError) as error:
            text = str(error)
            assert str(directory) in text or "train" in text, text
            assert "\n" not in text
            assert len(text) < 500

    one()


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_file_is_read_or_refused_in_a_sentence_that_names_it(case, tmp_path):
    (tmp_path / "files").mkdir()
    search(case, tmp_path / "files", 150)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_so_is_one_damaged_in_ten_thousand_other_ways(case, tmp_path):
    (tmp_path / "files").mkdir()
    search(case, tmp_path / "files", 10_000)
