"""Every Python block of the README and of the docs runs as it stands, each on its own."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = {
    f"{path.name}, block {number}": block
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE), start=1
    )
}


def test_readme_and_guides_show_python():
    assert {name.partition(",")[0] for name in BLOCKS} >= {"README.md", "rules.md"}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[name], name, "exec"), {"__name__": "__main__"})
