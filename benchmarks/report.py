"""Writes docs/reproduction.md, and the tables of the README files and docs/cost.md, from results.

Usage: python benchmarks/report.py [--check]

Each table stands between two comments, ``<!-- NAME -->`` and ``<!-- end -->``; nothing between is
ever typed. With --check nothing is written, and the exit status says whether the tables are true.
"""

import json
import re
import sys
from pathlib import Path

from _tables import RESULTS, TABLES

from analogjax.experiments.papers import ALL, page

HERE = Path(__file__).parent


def filled(text: str) -> str:
    """The text with every marked table made anew."""
    for name, table in TABLES.items():

        def block(_, name=name, table=table):
            return f"<!-- {name} -->\n{table()}\n<!-- end -->"

        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", block, text, flags=re.S)
    return text


def quick_times() -> str:
    """How long the quick scale of every reproduction takes."""
    path = RESULTS / "reproduce" / "seconds.json"
    content = json.loads(path.read_text()) if path.exists() else {}
    if "all" not in content:
        return "The quick scales were not run together yet (`python benchmarks/reproduce.py`)."
    each = ", ".join(f"{name} {seconds:,.0f}" for name, seconds in content["each"].items())
    since = sorted(set(content["each"]) - set(content["together"]))
    without = f", but for {', '.join(since)}, run anew since then" if since else ""
    return (
        f"`python benchmarks/reproduce.py` runs every quick scale, one on each core: "
        f"{content['all'] / 60:.0f} minutes in all on {content['cores']} cores "
        f"({content['machine']}, JAX {content['jax']}){without}. Seconds of each, with "
        f"compilation: {each}."
    )


def reproductions(old: str) -> str:
    """The result pages of every reproduction that was run."""
    del old
    pages = [
        "# Published results, reproduced",
        "Made by `python benchmarks/report.py` from `benchmarks/results/reproduce`, whose "
        "directories `analogjax reproduce NAME --out DIR` fills. Where a claim does not hold, or a "
        "number is not that of the publication, it says so here. Mean ± standard deviation over "
        "seeds; seconds are those of one training, without compilation, while the machine did "
        "other work too.",
        quick_times(),
    ]
    for name in ALL:
        for scale in ("quick", "paper"):
            directory = RESULTS / "reproduce" / f"{name}-{scale}"
            if (directory / "summary.json").exists():
                content = json.loads((directory / "summary.json").read_text())
                figure = (directory / "figure.png").relative_to(HERE.parent)
                pages.append(page(content, f"../{figure}").strip())
    return "\n\n".join(pages) + "\n"


DOCUMENTS = {
    HERE.parent / "README.md": filled,
    HERE / "README.md": filled,
    HERE.parent / "docs" / "cost.md": filled,
    HERE.parent / "docs" / "reproduction.md": reproductions,
}


def main() -> int:
    """Writes or checks all documents."""
    stale = []
    for path, make in DOCUMENTS.items():
        old = path.read_text() if path.exists() else ""
        new = make(old)
        if new != old:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new)
    if stale and "--check" in sys.argv:
        print(f"Not what the result files say: {', '.join(stale)}; run python benchmarks/report.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
