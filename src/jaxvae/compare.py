"""`python -m jaxvae.compare RUN RUN ...`: runs side by side, in numbers and curves."""

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxvae.cli import Output, run_command, say

MEASURES = ("objective_nats", "elbo_nats", "log_likelihood_nats", "kl_nats", "bits_per_dim", "psnr_db", "active_units")
CURVES = ("objective_nats", "kl_nats", "psnr_db")


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN RUN ...")],
    split: Literal["test", "validation"] = "test",
    metrics: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = CURVES,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Prints the last numbers of runs and the fields in which they differ, and draws their curves.

    Of runs that differ in their seed alone, the mean and the standard deviation are printed as well. Runs that are
    still under way can be compared, too: their curves end early, and `--split validation` has numbers for them.

    Example: python -m jaxvae.compare runs/avatars runs/avatars-2 --out curves.png

    Args:
        runs: Two or more run folders.
        split: The images that the numbers in the table were measured on; curves are of the validation split.
        metrics: Metrics to draw, as they are called in metrics.jsonl.
    """
    from jaxvae.errors import UserError, suggest
    from jaxvae.runs.presence import require_record

    if len(runs) < 2:
        raise UserError("comparing needs two or more runs; give their folders, as in runs/avatars runs/avatars-2.")
    output.check()
    for run in runs:
        require_record(run)

    from jaxvae.rendering.curves import save_curves
    from jaxvae.rendering.scatter import import_figure

    import_figure()

    from jaxvae.runs.comparison import OTHER, differing_fields, read_run, same_but_for_seed

    recorded = [read_run(run) for run in runs]
    known = {name for run in recorded for line in run.lines if line.get("kind") == "validation" for name in line}
    known = known.difference(OTHER)
    for metric in metrics if known else ():
        if metric not in known:
            raise UserError(f"no run has the metric {metric!r} of validations; {suggest(metric, sorted(known))}")
    target = output.place(recorded[0].path / "samples" / f"compared-with-{len(runs) - 1}-others.png")
    names = short_names(runs)
    rows = [{"run": name, "step": run.last_step(split), **_measures(run.last(split))}
            for name, run in zip(names, recorded, strict=True)]  # fmt: skip
    means = [_over_seeds([rows[number] for number in group]) for group in same_but_for_seed(recorded)]
    fields = differing_fields(recorded)
    curves = {metric: {name: run.curve("validation", metric) for name, run in zip(names, recorded, strict=True)}
              for metric in metrics}  # fmt: skip
    save_curves(target, curves)
    if not output.json:
        say(*_table(rows, means), "", *_field_table(names, fields), "")
    output.report(
        picture=target, split=split, runs=[str(run) for run in runs], results=rows, over_seeds=means,
        **({"differing": fields} if output.json else {}),
    )  # fmt: skip


def short_names(runs: tuple[Path, ...]) -> list[str]:
    """Returns the names of the folders, or their paths where names are the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _measures(numbers: dict[str, float]) -> dict[str, float]:
    return {name: numbers[name] for name in MEASURES if name in numbers}


def _over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the mean and standard deviation of each measure that all rows have."""
    from jaxvae.runs.comparison import mean_and_deviation

    shared = [name for name in MEASURES if all(name in row for row in rows)]
    return {"runs": [row["run"] for row in rows]} | {
        name: dict(zip(("mean", "standard_deviation"), mean_and_deviation([row[name] for row in rows]), strict=True))
        for name in shared
    }


def _table(rows: list[dict[str, Any]], means: list[dict[str, Any]]) -> list[str]:
    from jaxvae.rendering.text_table import text_table

    columns = [name for name in MEASURES if any(name in row for row in rows)]
    lines = [["run", "step", *columns]]
    for row in rows:
        step = "–" if row["step"] is None else str(row["step"])
        lines.append([row["run"], step, *(_digits(row.get(name)) for name in columns)])
    for mean in means:
        cells = (mean.get(name) for name in columns)
        shown = ("–" if cell is None else f"{_digits(cell['mean'])} ± {_digits(cell['standard_deviation'])}"
                 for cell in cells)  # fmt: skip
        lines.append([f"mean ± s.d. of {len(mean['runs'])} seeds", "", *shown])
    return text_table(lines)


def _field_table(names: list[str], fields: dict[str, list[Any]]) -> list[str]:
    from jaxvae.rendering.text_table import text_table

    if not fields:
        return ["all fields agree."]
    return text_table([["field", *names], *([name, *map(str, values)] for name, values in fields.items())])


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


if __name__ == "__main__":
    run_command(compare, "compare")
