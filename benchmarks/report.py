"""Writes the measured tables of README.md and benchmarks/README.md from the result files.

Usage: python benchmarks/report.py [--check]

Each table stands between two comments, ``<!-- NAME -->`` and ``<!-- end -->``; nothing between is
ever typed. With --check nothing is written, and the exit status says whether the tables are true.
"""

import json
import re
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def compare_table() -> str:
    """The main comparison: accuracy, pulses and time of each rule."""
    content = json.loads((RESULTS / "compare" / "summary.json").read_text())
    rows = [
        "| rule | test accuracy (%) | pulses sent | seconds |",
        "|---|---|---|---|",
    ]
    for run in content["runs"]:
        accuracy = f"{100 * run['test_accuracy_mean']:.1f} ± {100 * run['test_accuracy_std']:.1f}"
        pulses = f"{run['pulses_mean'] / 1e3:,.0f} k" if run["pulses_mean"] else "-"
        seconds = run["compile_seconds"] + run["train_seconds"]
        rows.append(f"| {run['run']} | {accuracy} | {pulses} | {seconds:.0f} |")
    task = content["task"]
    rows.append("")
    rows.append(
        f"{task['dataset'].capitalize()}, {task['states']:g} states, {task['epochs']} epochs, "
        f"batch {task['batch_size']}, {len(content['runs'][0]['seeds'])} seeds (mean ± standard "
        f"deviation); {content['seconds']:.0f} s in all. Trainings run side by side, one for each "
        f"core; the seconds of each include its compilation."
    )
    return "\n".join(rows)


def search_table() -> str:
    """What the search of the rates found."""
    names = ("learning_rate", "gamma", "transfer_lr")
    rows = [
        "| rule | learning rate | gamma | transfer rate | validation (%) | range of the best 8 |",
        "|---|---|---|---|---|---|",
    ]
    for path in sorted((RESULTS / "search").glob("*.json")):
        record = json.loads(path.read_text())
        best, rates = record["rounds"][-1][0], record["settings"] | record["best"]
        shown = ["-" if rates[name] is None else f"{rates[name]:g}" for name in names]
        scores = [100 * statistics.mean(c["validation_accuracy"]) for c in record["rounds"][-1]]
        spread = 100 * statistics.stdev(best["validation_accuracy"])
        rows.append(
            f"| {record['run']} | {' | '.join(shown)} | {scores[0]:.1f} ± {spread:.1f} | "
            f"{scores[-1]:.1f} to {scores[0]:.1f} |"
        )
    return "\n".join(rows)


def mnist_table() -> str:
    """The MNIST runs for the record, epoch by epoch."""
    runs = {}
    for path in sorted((RESULTS / "mnist").glob("*/metrics.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        summary = json.loads((path.parent / "summary.json").read_text())
        runs[path.parent.name] = (rows, summary)
    epochs = max(len(rows) for rows, _ in runs.values())
    header = "| run | " + " | ".join(str(e + 1) for e in range(epochs)) + " | samples/s | compile |"
    lines = [header, "|---" * (epochs + 3) + "|"]
    for name, (rows, summary) in runs.items():
        accuracy = " | ".join(f"{100 * row['test_accuracy']:.1f}" for row in rows)
        rate, compiling = summary["samples_per_second"], summary["compile_seconds"]
        lines.append(f"| {name} | {accuracy} | {rate:,.0f} | {compiling:.0f} s |")
    return "\n".join(lines)


def speed_table() -> str:
    """Samples a second of every job, and their share of digital SGD."""
    jobs = json.loads((RESULTS / "speed.json").read_text())["jobs"]
    lines = ["| job | samples/s | of digital SGD | compile |", "|---|---|---|---|"]
    for name, job in jobs.items():
        compiling = f"{job['compile_seconds']:.0f} s" if job["compile_seconds"] else "-"
        lines.append(
            f"| {name} | {job['samples_per_second']:,.0f} | {job['of_digital']:.2f} | {compiling} |"
        )
    return "\n".join(lines)


TABLES = {
    "compare": compare_table,
    "search": search_table,
    "mnist": mnist_table,
    "speed": speed_table,
}


def filled(text: str) -> str:
    """The text with every marked table made anew."""
    for name, table in TABLES.items():
        block = f"<!-- {name} -->\n{table()}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end -->", lambda _, b=block: b, text, flags=re.S)
    return text


def main() -> int:
    """Writes or checks both documents."""
    stale = []
    for path in (HERE.parent / "README.md", HERE / "README.md"):
        old = path.read_text()
        new = filled(old)
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
