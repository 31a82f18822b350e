"""`python -m jaxvae.train [EXPERIMENT.py] [--field value ...]`: prepares the data, trains, shows the result."""

import runpy
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import told
from jaxvae.config import Config, differences, run_name
from jaxvae.errors import UserError, nearest

DESCRIPTION = """Trains a variational autoencoder and shows what it learned.

EXPERIMENT.py, the first argument, is a file such as experiments/avatars.py; its values are the defaults below, and
each can be overridden. Without one, --data.name NAME trains on any data set with the default model. The same command
again goes on where an interrupted run stopped."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Where the run is kept, and its configuration."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    run: Path | None = None
    """Folder of the run; runs/NAME when left out."""
    fresh: bool = False
    """Start a new run beside one that exists: runs/NAME-2 and so on."""


def main(arguments: Sequence[str]) -> None:
    """Parses the command line, prepares the data, trains, and says where the pictures are."""
    experiment, rest = (
        (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else (None, arguments)
    )
    parsed = tyro.cli(
        Arguments,
        prog=f"python -m jaxvae.train {experiment or '[EXPERIMENT.py]'}",
        description=DESCRIPTION,
        default=Arguments(config=read_experiment(Path(experiment)) if experiment else Config()),
        args=rest,
    )
    config = parsed.config

    # Imported once the arguments are known to be right: JAX and Orbax take seconds.
    from jaxvae.data import prepare
    from jaxvae.data.describe import describe
    from jaxvae.run import beside, complete, read_config
    from jaxvae.training.loop import train

    run = parsed.run or Path("runs") / run_name(config)
    run = beside(run) if parsed.fresh else run
    before = read_config(run)
    if before is not None and before != config:
        raise UserError(
            f"{run} holds a run with another configuration ({'; '.join(differences(before, config))}). "
            "Give the same values to continue it, --fresh to start beside it, or another --run."
        )
    if before is not None and complete(run, config):
        print(f"{run} is complete: it has made its {config.train.steps} steps. --fresh starts another beside it.")
        return
    prepared = prepare(config.data)
    print(describe(prepared), flush=True)
    pictures = train(config, prepared, run)
    print("\n".join(["", "pictures:", *(f"  {path}" for path in pictures), "", *suggestions(run, config)]))


def read_experiment(path: Path) -> Config:
    """The `config` of an experiment file, which is Python that the user asks to run."""
    if not path.is_file():
        others = [str(other) for other in path.parent.glob("*.py")]
        raise UserError(f"there is no experiment {path}: {nearest(str(path), sorted(others))}")
    config = runpy.run_path(str(path)).get("config")
    if not isinstance(config, Config):
        raise UserError(f"{path} defines no config; an experiment file sets `config = Config(...)`.")
    return config


def suggestions(run: Path, config: Config) -> list[str]:
    """The commands to try after training."""
    walk = shlex.join(["--from", config.data.walk_from, "--to", config.data.walk_to])
    return [
        "next:",
        f"  python -m jaxvae.interpolate {run} {walk} --gif",
        f"  python -m jaxvae.sample {run} --n 64 --temperature 0.8",
        f"  python -m jaxvae.reconstruct {run}",
        f"  tensorboard --logdir {run.parent}        # pip install tensorboard",
    ]


if __name__ == "__main__":
    told(lambda: main(sys.argv[1:]))
