"""`python -m jaxvae.train [EXPERIMENT.py] [--field value ...]`: prepares the data, trains, draws the result."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import parse_with_experiment, say, told
from jaxvae.config import DevicesConfig
from jaxvae.experiment import Config
from jaxvae.system.processes import use_large_pages

DESCRIPTION = """Trains a variational autoencoder and shows what it learned.

EXPERIMENT.py, the first argument, is a file such as experiments/avatars.py; its values are the defaults below, and
each can be overridden. Without one, --data.source NAME trains the default model on any data set. Repeating the command
continues an interrupted run."""


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
    return parse_with_experiment(Arguments, "train", arguments, DESCRIPTION)


def run_training(parsed: Arguments) -> None:
    """Prepares the data, trains, and prints where the images are."""
    config = parsed.config

    # Imported after the arguments have been checked: JAX and Orbax take seconds.
    from jaxvae.data.prepare import prepare
    from jaxvae.data.summary import check_ranges, describe
    from jaxvae.runs.changes import ended_before
    from jaxvae.runs.run import beside
    from jaxvae.training.loop import train
    from jaxvae.training.multihost import first_then_others, is_first, join, wait_for_all
    from jaxvae.training.sharding import share_cores

    share_cores(config)
    join(parsed.devices)
    # Of several processes only the first prints.
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
    prepared = first_then_others(lambda: prepare(config.data))
    tell(*describe(prepared).splitlines(), *(f"  doubtful    {doubt}" for doubt in check_ranges(prepared)))
    images = train(config, prepared, run, parsed.devices)
    tell("", "images:", *(f"  {path}" for path in images), "", *suggestions(run, config))


def main() -> None:
    """Runs the command; help and mistakes are reported before the process starts again with large pages."""
    parsed = parse_arguments(sys.argv[1:])
    use_large_pages()
    run_training(parsed)


def silent(*_: object) -> None:
    """Prints nothing."""


def suggestions(run: Path, config: Config) -> list[str]:
    """Returns the commands to try after training."""
    ends = [("--from", config.data.walk_from), ("--to", config.data.walk_to)]
    walk = [part for flag, which in ends if which for part in (flag, which)]
    commands = [
        ["interpolate", str(run), *walk, "--gif"],
        ["sample", str(run), "--n", "64"],
        ["reconstruct", str(run)],
    ]
    told_commands = [f"  python -m jaxvae.{shlex.join(command)}" for command in commands]
    board = shlex.join(["tensorboard", "--logdir", str(run.parent)])
    return ["next:", *told_commands, f"  {board}        # pip install tensorboard"]


if __name__ == "__main__":
    told(main)
