"""The result page of a reproduction: figure, table beside the published numbers, settings."""

import itertools
import statistics
from typing import Any

import numpy as np

from analogjax.experiments._sweep import Row
from analogjax.experiments.papers._reproduction import Published, Reproduction, Scale


def summary(reproduction: Reproduction, scale: Scale, rows: list[Row]) -> dict[str, Any]:
    """What was found, as a JSON document."""
    values = reproduction.values(rows)
    return {
        "name": reproduction.name,
        "title": reproduction.title,
        "source": reproduction.source,
        "about": reproduction.about,
        "scale": scale,
        "unit": reproduction.unit,
        "beside": reproduction.beside,
        "settings": _settings(rows, reproduction),
        "seeds": sorted({row["seed"] for row in rows}),
        "results": [
            {
                "label": label,
                "values": [float(value) if np.isfinite(value) else None for value in found],
                "seconds": [row["seconds"] for row in rows if reproduction.label(row) == label],
                **_published(reproduction, label),
            }
            for label, found in values.items()
        ],
        "claims": [
            {"sentence": claim.sentence, "holds": claim.verdict(values)}
            for claim in reproduction.claims_at(scale)
        ],
    }


def _published(reproduction: Reproduction, label: str) -> dict[str, float | None]:
    published = reproduction.published.get(label)
    if published is None:
        return {}
    return {"published": published.value, "published_spread": published.spread}


def _settings(rows: list[Row], reproduction: Reproduction) -> dict[str, list[Any]]:
    """The values that each name of the cells takes, the seed aside."""
    names = [name for name in reproduction.cells("quick")[0] if name != "seed"]
    return {name: list(dict.fromkeys(row[name] for row in rows)) for name in names}


def page(content: dict[str, Any], figure: str | None) -> str:
    """The result page of a summary, Markdown; ``figure`` is where the page finds the picture."""
    picture = [] if figure is None else [f"![{content['title']}]({figure})", ""]
    lines = [
        f"## {content['title']}",
        "",
        f"`analogjax reproduce {content['name']} --scale {content['scale']}`: {content['source']}",
        "",
        content["about"],
        "",
        *picture,
        *_table(content),
        "",
        *(f"- {_verdict(claim)}: {claim['sentence']}" for claim in content["claims"]),
        "",
        f"{_settings_line(content)} {_made_by(content)}",
    ]
    return "\n".join(lines) + "\n"


def _table(content: dict[str, Any]) -> list[str]:
    """A line for each label; the column of seeds only where some lines have fewer than others."""
    results = content["results"]
    published = any("published" in result for result in results)
    seeds = len({len(result["values"]) for result in results}) > 1
    unit = f" ({content['unit']})" if content["unit"] else ""
    shown = (True, published, True, seeds, True)
    header = ["", content["beside"], f"here{unit}", "seeds", "seconds"]
    head, *rows = (
        f"| {' | '.join(itertools.compress(cells, shown))} |"
        for cells in (header, *(_cells(content, result) for result in results))
    )
    return [head, "|---" * sum(shown) + "|", *rows]


def _cells(content: dict[str, Any], result: dict[str, Any]) -> list[str]:
    published = "-"
    if "published" in result:
        published = _number(content, Published(result["published"], result["published_spread"]))
    return [
        result["label"],
        published,
        _mean(content, result["values"]),
        str(len(result["values"])),
        _seconds(statistics.mean(result["seconds"])),
    ]


def _mean(content: dict[str, Any], values: list[float | None]) -> str:
    """Mean and spread, or how many trainings ended without a number."""
    found = [value for value in values if value is not None]
    if len(found) < len(values):
        return f"{len(values) - len(found)} of {len(values)} not finite"
    spread = statistics.stdev(found) if len(found) > 1 else None
    return _number(content, Published(statistics.mean(found), spread))


def _number(content: dict[str, Any], number: Published) -> str:
    def show(value: float) -> str:
        if content["unit"] == "%":
            return f"{value:.2f}"
        return f"{value:#.3g}" if 1e-3 <= abs(value) < 1000 else f"{value:.2e}"

    spread = "" if number.spread is None else f" ± {show(number.spread)}"
    return show(number.value) + spread


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _verdict(claim: dict[str, Any]) -> str:
    return {True: "Holds", False: "**Does not hold**", None: "Not run"}[claim["holds"]]


def _settings_line(content: dict[str, Any]) -> str:
    def show(value) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    each = [
        f"{n.replace('_', ' ')} {', '.join(map(show, v))}" for n, v in content["settings"].items()
    ]
    return f"Settings: {'; '.join(each)}. Seeds: {', '.join(map(str, content['seeds']))}."


def _made_by(content: dict[str, Any]) -> str:
    seconds = sum(second for row in content["results"] for second in row["seconds"])
    return (
        f"analogjax {content['analogjax']}, JAX {content['jax']}, {content['machine']}; "
        f"{_seconds(seconds)} s in all, without compilation."
    )
