"""Whether a command may go on with the run in a folder, also under changed values, and the record of such changes.

A run goes on by itself under the config that it was trained with. With `--change` it goes on under another: more steps,
another learning rate, batch size or objective. Each change is recorded, so that every step's values can be told.
"""

from pathlib import Path
from typing import Any

import jax

from jaxvae.errors import UserError
from jaxvae.experiment import Config, changed, differences
from jaxvae.hub.names import is_hub_name
from jaxvae.keys import key_shape
from jaxvae.runs import checkpoint
from jaxvae.runs.checkpoint import DamagedError
from jaxvae.runs.description import described, same_shapes
from jaxvae.runs.run import completed, read_config

# What may change on the way: nothing that the parameters, the optimizer's state or the order of the data depend on.
CHANGEABLE = (
    "name",
    "train.",
    "objective.",
    "data.flip",
    "data.shift",
    "data.walk_from",
    "data.walk_to",
    "data.skip_share",
    "data.root",
)
# What only the end of training looks at: with these changed a complete run is finished again, without further steps.
FITTED_AT_THE_END = {"train.mixture_components", "train.fitted_flow_steps", "train.flow_matching_steps"}


def ended_before(run: Path, config: Config, change: bool = False) -> int | None:
    """Returns the step at which the run ended; None where it is to be started or continued.

    Args:
        run: the run folder.
        config: the config to train with.
        change: whether a run with another config is to be continued with this one.

    Raises:
        UserError: the folder holds a run with another configuration, or one that cannot be continued with this.
    """
    if is_hub_name(run):
        raise UserError(
            f"{run} names a run on the hub, where nothing is trained; give a folder as --run. To start from its "
            f"parameters, add --model.from {run}."
        )
    before = read_config(run)
    if before is None:
        return None
    if before == config:
        return completed(run)
    if not change:
        raise UserError(
            f"{run} holds a run with another configuration ({'; '.join(differences(before, config))}). "
            "Give the same values to continue it, --change to continue it with these, --fresh to start next to it, or "
            "another --run."
        )
    _check_change(run, before, config)
    return None


def _check_change(run: Path, before: Config, config: Config) -> None:
    fixed = [name for name in changed(before, config) if not name.startswith(CHANGEABLE)]
    if bool(before.train.ema_decay) != bool(config.train.ema_decay):
        fixed.append("train.ema_decay")
    if set(before.train.freeze) != set(config.train.freeze):  # What is frozen has no state of the optimizer.
        fixed.append("train.freeze")
    if _other_critic(run, before, config):
        fixed.append("discriminator or other network of objective")
    if fixed:
        raise UserError(
            f"{run} cannot continue with another {', '.join(fixed)}; only values of train, objective and the "
            "presentation of the data can change. --fresh with --model.from starts another run from its parameters."
        )
    made = max(checkpoint.steps(run / "checkpoints"), default=0)
    refits = set(changed(before, config)) <= FITTED_AT_THE_END
    if config.train.steps <= made and completed(run) is not None and not refits:
        raise UserError(
            f"train.steps is {config.train.steps}, but {run} has made {made} steps; to continue it needs more."
        )
    if config.train.steps < made:
        raise UserError(f"train.steps is {config.train.steps}, but {run} has made {made} steps already.")


def _other_critic(run: Path, before: Config, config: Config) -> bool:
    """Returns whether the objectives have critics of different shapes. One may begin on the way, or be dropped."""
    critics = [each.objective.build(1).critic for each in (before, config)]
    folder = run / "checkpoints"
    known = checkpoint.steps(folder)
    if before.objective == config.objective or None in critics or not known:
        return False
    height, width, channels = described(folder, known[-1])["data"]["shape"]
    shapes = [
        jax.eval_shape(lambda key, init=critic.init: init(key, (height, width, channels)), key_shape())
        for critic in critics
        if critic is not None
    ]
    return not same_shapes(*shapes)


def all_changes(run: Path, step: int, config: Config) -> list[dict[str, Any]]:
    """Returns the changes that the run has seen, the one at this step included if its checkpoint has another config.

    Each is {"step": number of updates made before it, "changed": {field: [before, after]}}.
    """
    if not step:
        return []
    try:
        made = list(described(run / "checkpoints", step).get("changes", []))
    except DamagedError:
        made = []
    before = read_config(run)
    if before is not None and (fields := changed(before, config)):
        made.append({"step": step, "changed": fields})
    return made


def changes_objective(change: dict[str, Any]) -> bool:
    """Returns whether validations before and after the change cannot be compared."""
    return any(name.startswith("objective.") for name in change["changed"])
