"""`python -m jaxvae.train [EXPERIMENT] [--field value ...]`: prepares the data, trains, draws the result."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import parse_with_experiment, say, told
from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.runs.written_config import written_model
from jaxvae.system.compilation_cache import use_compilation_cache
from jaxvae.system.processes import use_large_pages
from jaxvae.system.progress import under_way

DESCRIPTION = """Trains a variational autoencoder and shows what it learned.

EXPERIMENT is a stock experiment (avatars, celeba, folder, …) or a file of your own that sets `config`; its values are
the defaults below, and each can be overridden. Without one, --data.source NAME trains the default model on any data
set. Repeating the command continues an interrupted run.

Examples: python -m jaxvae.train avatars --train.steps 500 --run runs/short
python -m jaxvae.train --data.source my/photos --data.flip --model.latent 32"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The run folder, the devices and the configuration."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    devices: DevicesConfig = field(default_factory=DevicesConfig)
    run: Path | None = None
    """Run folder; runs/NAME by default."""
    fresh: bool = False
    """Start a new run next to an existing one: runs/NAME-2 and so on."""
    change: bool = False
    """Continue the run with the values given here although it was trained with others so far: with more
    --train.steps, another --train.learning-rate, --train.batch-size or objective."""


def parse_arguments(arguments: Sequence[str]) -> Arguments:
    """Returns the command line as checked values."""
    return parse_with_experiment(Arguments, "train", arguments, DESCRIPTION, written_model)


def run_training(parsed: Arguments) -> None:
    """Prepares the data, trains, and prints where the images are."""
    config = parsed.config

    # Of several processes only the first prints; before JAX is there, the launcher knows which that is.
    first = parsed.devices.process in (None, 0) and os.environ.get("SLURM_PROCID", "0") == "0"
    # Imported after the arguments have been checked: JAX and Orbax take seconds.
    with under_way(say if first else silent, "importing JAX", first=1.0):
        from jaxvae.data.prepare import prepare
        from jaxvae.data.summary import advise, check_ranges, describe
        from jaxvae.runs.changes import ended_before
        from jaxvae.runs.run import beside
        from jaxvae.training import summary
        from jaxvae.training.loop import train
        from jaxvae.training.multihost import first_then_others, is_first, join, wait_for_all
        from jaxvae.training.sharding import share_cores

    share_cores(config)
    join(parsed.devices)
    tell = say if is_first() else silent
    run = parsed.run or Path("runs") / config.title
    run = beside(run) if parsed.fresh else run
    ended = ended_before(run, config, parsed.change)
    wait_for_all("run folder looked at")  # Before one of them writes into it.
    if ended:
        steps = config.train.steps
        how = f"made its {steps} steps" if ended == steps else f"stopped at step {ended}, when its patience had run out"
        more = f"--change --train.steps {2 * steps} continues it, --fresh starts another next to it."
        tell(f"{run} is complete: it has {how}. {more}")
        return
    with under_way(tell, f"preparing the dataset {config.data.source.dataset_name()}", first=1.0):
        prepared = first_then_others(lambda: prepare(config.data))
    advice = advise(
        prepared, flipped=config.data.flip, shifted=config.data.shift > 0, patient=config.train.patience > 0
    )
    doubts = [f"  doubtful    {doubt}" for doubt in check_ranges(prepared)]
    tell(*describe(prepared).splitlines(), *doubts, *(f"  advice      {each}" for each in advice))
    tell(*summary.describe(str(run), config, prepared, parsed.devices))
    tell("building the model; Ctrl-C stops after any step, and the same command goes on from there")
    images = train(config, prepared, run, parsed.devices)
    next_commands = suggestions(run, config, prepared.attributes, prepared.info["splits"]["test"]["n"])
    tell("", "images:", *(f"  {path}" for path in images), "", *next_commands)


def main() -> None:
    """Runs the command; help and mistakes are reported before the process starts again with large pages."""
    parsed = parse_arguments(sys.argv[1:])
    if parsed.devices.coordinator is None:  # Otherwise the files need to be there for process 0 alone.
        from jaxvae.data.prepare import refuse_missing_files

        refuse_missing_files(parsed.config.data)
    parsed.config.model.check_training(parsed.config.train)
    parsed.config.objective.check_files()
    use_large_pages()
    use_compilation_cache()
    run_training(parsed)


def silent(*_: object) -> None:
    """Prints nothing."""


def suggestions(run: Path, config: Config, attributes: Sequence[str] = (), images: int = 0) -> list[str]:
    """Returns the commands to try after training, so that they work where they are pasted.

    Args:
        run: the run folder.
        config: what was trained.
        attributes: of the data set.
        images: number of test images.
    """
    ends = [("--from", config.data.walk_from), ("--to", config.data.walk_to)]
    walk = [part for flag, which in ends if which for part in (flag, which)]
    corners = ["interpolate", str(run), "--corners", *(f"test:{i}" for i in range(4))]
    change = next((name for name in ("sunglasses", "Eyeglasses", "Smiling") if name in attributes), None)
    commands = [
        ["explore", str(run)],
        ["interpolate", str(run), *walk, "--out", "walk.gif"],
        *([corners] if images >= 4 else []),
        *([["attribute", "add", str(run), change, "--images", config.data.walk_from or "test:0"]] if change else []),
        ["sample", str(run), "--n", "64"],
    ]
    return ["next:", *(f"  {shlex.join([python_command(), '-m', f'jaxvae.{command}', *rest])}"
                       for command, *rest in commands)]  # fmt: skip


def python_command() -> str:
    """Returns how this Python is called here: `python`, or its path where that would be another one."""
    found, this = shutil.which("python"), Path(sys.executable)
    if found is not None and Path(found).absolute() == this.absolute():
        return "python"
    here = Path.cwd()
    return str(this.relative_to(here) if this.is_relative_to(here) else this)


if __name__ == "__main__":
    told(main)
