"""The tables of the documents, each made from its result files."""

import functools
import itertools
import json
import statistics
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SCALING = {"crosspoints": (64**2, 512**2, 2048**2), "mini-batch": (1, 16, 128)}


def compare_table() -> str:
    """The main comparison: accuracy, pulses and time of each rule."""
    content = json.loads((RESULTS / "compare" / "summary.json").read_text())
    rows = head("rule", "test accuracy (%)", "pulses sent", "seconds")
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
    names = ("learning_rate", "gamma", "transfer_lr", "chop_prob")
    rows = head(
        "rule",
        "learning rate",
        "gamma",
        "transfer rate",
        "chop probability",
        "validation (%)",
        "range of the best 8",
    )
    for path in sorted((RESULTS / "search").glob("*.json")):
        record = json.loads(path.read_text())
        best, rates = record["rounds"][-1][0], record["settings"] | record["best"]
        shown = ["-" if rates.get(name) is None else f"{rates[name]:g}" for name in names]
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
    lines = head("run", *(str(e + 1) for e in range(epochs)), "samples/s", "compile")
    for name, (rows, summary) in runs.items():
        accuracy = " | ".join(f"{100 * row['test_accuracy']:.1f}" for row in rows)
        rate, compiling = summary["samples_per_second"], summary["compile_seconds"]
        lines.append(f"| {name} | {accuracy} | {rate:,.0f} | {compiling:.0f} s |")
    return "\n".join(lines)


def machine_name(content: dict) -> str:
    """What the numbers of a record were measured on."""
    machine = content["machine"]
    kind = "" if machine["platform"] == "cpu" else f"{machine['device']}, "
    return f"{kind}{machine['cpus']} CPU cores, JAX {machine['jax']}"


def head(*columns: str) -> list[str]:
    """The first two lines of a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def machine_line(content: dict) -> str:
    """The same as a sentence."""
    return f"Measured on: {machine_name(content)}."


def speed_table(directory: Path = RESULTS) -> str:
    """Samples a second of every job, and their share of digital SGD, network by network."""
    content = json.loads((directory / "speed.json").read_text())
    jobs = {(job["network"], job["name"], job["batch"]): job for job in content["jobs"]}

    def cell(job: dict) -> str:
        share = f" ({job['of_digital']:.2f})" if "of_digital" in job else ""
        threads = f", {job['threads']} thr." if "threads" in job else ""
        return f"{job['samples_per_second']:,.0f}{share}{threads}"

    lines = []
    for network in dict.fromkeys(network for network, *_ in jobs):
        batches = sorted({batch for own, _, batch in jobs if own == network})
        lines += head(network, *(f"batch {batch}" for batch in batches), "compile")
        for name in dict.fromkeys(name for own, name, _ in jobs if own == network):
            found = [jobs.get((network, name, batch)) for batch in batches]
            cells = " | ".join(cell(job) if job else "-" for job in found)
            seconds = [job["compile_seconds"] for job in found if job and "compile_seconds" in job]
            compiling = f"{statistics.median(seconds):.1f} s" if seconds else "-"
            lines.append(f"| {name} | {cells} | {compiling} |")
        lines.append("")
    return "\n".join([*lines, machine_line(content)])


def peer_table() -> str:
    """How many times as fast as aihwkit each network trains."""
    content = json.loads((RESULTS / "speed.json").read_text())
    jobs = [job for job in content["jobs"] if "of_aihwkit" in job]
    batches = sorted({job["batch"] for job in jobs})
    lines = head("samples/s, of aihwkit's", *(f"batch {batch}" for batch in batches))
    for network, name in dict.fromkeys((job["network"], job["name"]) for job in jobs):
        own = [job for job in jobs if (job["network"], job["name"]) == (network, name)]
        found = {job["batch"]: job["of_aihwkit"] for job in own}
        cells = " | ".join(f"{found[batch]:.2f}" if batch in found else "-" for batch in batches)
        lines.append(f"| {network}, {name} | {cells} |")
    return "\n".join(lines)


def kernel_table(directory: Path = RESULTS) -> str:
    """Time, crosspoints/s and bytes/s of an update, by size of the array."""
    content = json.loads((directory / "kernel.json").read_text())
    lines = head(
        "array", "update", "time", "crosspoints/s", "bytes/s, at the least", "of copying", "compile"
    )
    for row in content["updates"]:
        lines.append(
            f"| {row['size']} x {row['size']} | {row['update']} | {row['microseconds']:,.0f} us | "
            f"{row['crosspoints_per_second'] / 1e6:,.0f} M | "
            f"{row['bytes_per_second'] / 1e9:.2f} G | {100 * row['of_copy']:.1f} % | "
            f"{row['compile_seconds']:.1f} s |"
        )
    copied = content["copy_bytes_per_second"].items()
    speeds = " and ".join(f"{speed / 1e9:.1f} GB/s by {name}" for name, speed in copied)
    return "\n".join([*lines, "", f"Copying moves {speeds}. {machine_line(content)}"])


def trainings_table() -> str:
    """Trainings an hour by how many run at once, on each platform."""
    content = json.loads((RESULTS / "trainings.json").read_text())
    lines = head("machine", "at once", "a step", "trainings an hour", "compile")
    for measured in content.values():
        for row in measured["runs"]:
            lines.append(
                f"| {machine_name(measured)} | {row['at_once']} | "
                f"{row['step_milliseconds']:.2f} ms | {row['trainings_per_hour']:,.0f} | "
                f"{row['compile_seconds']:.0f} s |"
            )
    return "\n".join(lines)


def memory_table() -> str:
    """Bytes of the state for each crosspoint and tile."""
    rows = json.loads((RESULTS / "kernel.json").read_text())["state"]
    tiles = sorted({row["tiles"] for row in rows})
    lines = head("device", *(f"{n} tile{'s' if n > 1 else ''}" for n in tiles))
    for device in dict.fromkeys(row["device"] for row in rows):
        found = {row["tiles"]: row["bytes"] for row in rows if row["device"] == device}
        lines.append(f"| {device} | {' | '.join(f'{found[n]:.2f}' for n in tiles)} |")
    return "\n".join(lines)


def scaling_table() -> str:
    """How much more a step costs along each line of the figure."""
    content = json.loads((RESULTS / "scaling.json").read_text())
    points = {(p["sweep"], p["at"], p["tiles"]): p for p in content["points"]}
    lines = head("from", "to", "times as many", "digital SGD", "analog SGD, 1 tile", "6 tiles")
    for sweep, stops in SCALING.items():
        for low, high in itertools.pairwise(stops):
            growth = [
                points[sweep, high, n]["microseconds"] / points[sweep, low, n]["microseconds"]
                for n in (0, 1, 6)
            ]
            cells = " | ".join(f"{factor:.1f}" for factor in growth)
            lines.append(f"| {sweep}: {low:,} | {high:,} | {high / low:.0f} | {cells} |")
    one, eight = points["tiles", 1, 1], points["tiles", 8, 8]
    growth = eight["microseconds"] / one["microseconds"]
    lines.append(
        f"\nThe last three columns: times the time of a step. On LeNet-5, 8 tiles take "
        f"{growth:.1f} times the time of one, and {eight['of_digital']:.1f} times that of digital "
        f"SGD. {machine_line(content)}"
    )
    return "\n".join(lines)


def periphery_table() -> str:
    """How many times as long as a plain product one through converters takes."""
    content = json.loads((RESULTS / "periphery.json").read_text())
    rows = {(row["layer"], row["way"], row["product"]): row for row in content["products"]}
    products = [name for name in dict.fromkeys(name for *_, name in rows) if name != "plain"]
    lines = head("layer", "plain", *products)
    for layer, way in dict.fromkeys((layer, way) for layer, way, _ in rows):
        base = rows[layer, way, "plain"]["microseconds"]
        cells = " | ".join(f"{rows[layer, way, name]['of_plain']:.2f}" for name in products)
        lines.append(f"| {layer}, {way} | {base:,.0f} us | {cells} |")
    return "\n".join([*lines, "", machine_line(content)])


def layers_table() -> str:
    """How many times as long as flax's an analog layer, or a step of a converted model, takes."""
    content = json.loads((RESULTS / "layers.json").read_text())
    lines = []
    for part, base in (("layers", "flax"), ("models", "flax, SGD")):
        rows = {(row["name"], row["variant"]): row for row in content[part]}
        variants = list(dict.fromkeys(variant for _, variant in rows if variant != base))
        lines += head("", base, *variants)
        for name in dict.fromkeys(name for name, _ in rows):
            cells = " | ".join(f"{rows[name, variant]['of_flax']:.2f}" for variant in variants)
            time = rows[name, base]["microseconds"] / 1000
            lines.append(f"| {name} | {time:,.1f} ms | {cells} |")
        lines.append("")
    compiling = [
        f"{row['compile_seconds']:.0f} s ({row['name'].split(',')[0]})"
        for row in content["models"]
        if "residual" in row["variant"]
    ]
    lines.append(f"Compiling the step of residual learning: {', '.join(compiling)}.")
    return "\n".join([*lines, machine_line(content)])


def inference_table() -> str:
    """Accuracy on phase-change memory over time, by the way of training."""
    content = json.loads((RESULTS / "inference.json").read_text())
    times = {1.0: "1 s", 3600.0: "1 h", 86400.0: "1 day", 365 * 86400.0: "1 year"}
    lines = head("training", "compensated", "as trained", *times.values())
    for run in content["runs"]:
        trained = 100 * statistics.mean(run["trained"])
        for word, found in (("yes", run["compensated"]), ("no", run["uncompensated"])):
            columns = [[100 * row[content["times"].index(t)] for row in found] for t in times]
            cells = [f"{statistics.mean(c):.1f} ± {statistics.stdev(c):.1f}" for c in columns]
            lines.append(f"| {run['name']} | {word} | {trained:.1f} | {' | '.join(cells)} |")
    seeds = len(content["runs"][0]["trained"])
    lines.append(
        f"\nTest accuracy (%), mean ± standard deviation over {seeds} trainings, each deployed "
        f"{content['repeats']} times."
    )
    return "\n".join(lines)


def schemes_table() -> str:
    """The end of whole trainings under each pulse scheme."""
    rows = head("task", "pulses", "test accuracy (%)", "seeds")
    for run in json.loads((RESULTS / "schemes.json").read_text())["runs"]:
        final = [100 * accuracy for accuracy in run["test_accuracy"]]
        shown = f"{statistics.mean(final):.1f} ± {statistics.stdev(final):.1f}"
        rows.append(f"| {run['task']} | {run['scheme']} | {shown} | {len(final)} |")
    return "\n".join(rows)


def sweep_table() -> str:
    """How much faster a sweep is than its cells one after another."""
    content = json.loads((RESULTS / "sweep.json").read_text())
    ways = {way["way"]: way for way in content["ways"]}
    cells = content["cells"]
    whole = {name: way["seconds"] * cells / way["cells"] for name, way in ways.items()}
    rows = head(
        "way",
        "seconds, all cells",
        "of which compiling",
        "times as long as the sweep",
        "without compiling",
    )
    for name, way in ways.items():
        compiling = way["compile_seconds"] * cells / way["cells"]
        if name == "compiled once":
            compiling = way["compile_seconds"]
        base = whole["sweep"] - ways["sweep"]["compile_seconds"]
        times = whole[name] / whole["sweep"], (whole[name] - compiling) / base
        rows.append(
            f"| {name} | {whole[name]:,.0f} | {compiling:,.0f} | {times[0]:.1f} | {times[1]:.1f} |"
        )
    rows.append("")
    deviation = max(way["largest_deviation"] for way in ways.values())
    rows.append(
        f"{cells} trainings of {content['epochs']} epochs on {content['tiles']} tiles; losses "
        f"differ by at most {deviation:.0e} of themselves. {content['cpus']} CPU cores, JAX "
        f"{content['jax']}."
    )
    return "\n".join(rows)


def cost_table() -> str:
    """What a sample of each run of a comparison has cost."""
    content = json.loads((RESULTS / "cost" / "summary.json").read_text())
    lines = head(
        "rule",
        "test accuracy (%)",
        "storage (kB)",
        "update (ns)",
        "updates (nJ)",
        "passes (nJ)",
        "sample (nJ)",
    )
    for name, cost in content["costs"].items():
        accuracy = f"{100 * statistics.mean(content['test_accuracy'][name]):.1f}"
        names = ("storage_bytes", "time_ns", "update_energy_nj", "pass_energy_nj", "energy_nj")
        numbers = ["-"] * len(names)
        if cost is not None:
            scaled = {**cost, "storage_bytes": cost["storage_bytes"] / 1e3}
            numbers = [f"{scaled[part]:,.3g}" for part in names]
        lines.append(f"| {name} | {accuracy} | {' | '.join(numbers)} |")
    lines.append(
        f"\n{content['title'].capitalize()}; made by `analogjax compare --cost`, then "
        f"`analogjax cost --run results/compare --out benchmarks/results/cost`."
    )
    return "\n".join(lines)


TABLES = {
    "cost": cost_table,
    "sweep": sweep_table,
    "schemes": schemes_table,
    "compare": compare_table,
    "search": search_table,
    "mnist": mnist_table,
    "speed": speed_table,
    "peer": peer_table,
    "kernel": kernel_table,
    "speed on a GPU": functools.partial(speed_table, RESULTS / "gpu"),
    "kernel on a GPU": functools.partial(kernel_table, RESULTS / "gpu"),
    "trainings": trainings_table,
    "memory": memory_table,
    "scaling": scaling_table,
    "periphery": periphery_table,
    "layers": layers_table,
    "inference": inference_table,
}
