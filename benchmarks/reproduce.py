"""Runs every reproduction at its quick scale, for docs/reproduction.md.

Usage: python benchmarks/reproduce.py [NAME ...]

Rows that are there already are kept: remove their directory to run a reproduction anew. The page is
then written by ``python benchmarks/report.py``, from these results and those of paper scale.
"""

import sys
from pathlib import Path

from analogjax.experiments._cli import main
from analogjax.experiments.papers import ALL

RESULTS = Path(__file__).parent / "results" / "reproduce"

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        if main(["reproduce", name, "--out", str(RESULTS / f"{name}-quick")]):
            raise SystemExit(1)
