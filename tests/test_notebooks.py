"""Every notebook runs from top to bottom, and is stored without outputs."""

from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_the_code_of_a_notebook_runs_in_its_short_mode(path, tmp_path, monkeypatch):
    """In this process, which has compiled much of what it needs already."""
    monkeypatch.setenv("ANALOGJAX_SHORT", "1")
    monkeypatch.chdir(tmp_path)
    notebook, names = nbformat.read(path, as_version=4), {"__name__": "__main__"}
    with plt.rc_context({"figure.max_open_warning": 0}):
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{path.name}, cell {number}", "exec"), names)
    plt.close("all")


@pytest.mark.slow
def test_a_notebook_runs_in_a_kernel(path, tmp_path, monkeypatch):
    monkeypatch.setenv("ANALOGJAX_SHORT", "1")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    ran = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert ran == list(range(1, len(ran) + 1))


def test_a_notebook_is_valid_and_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)
