"""What is about to be trained, for the terminal."""

import jax

from jaxvae.config import DevicesConfig
from jaxvae.data.prepared import Prepared
from jaxvae.errors import printable
from jaxvae.experiment import Config
from jaxvae.models import build
from jaxvae.training.params_check import check_params
from jaxvae.training.sharding import place


def describe(run: str, config: Config, prepared: Prepared, devices: DevicesConfig = DevicesConfig()) -> list[str]:
    """Returns lines with the run folder, the model, its parts, the length of training and the devices.

    Raises:
        UserError: the devices do not divide the batch, the model has no part that is to be frozen, or an empty array.
    """
    vae = build(config.model, prepared.shape)
    check_params(vae, config.train)
    key = jax.random.key(0)
    params = jax.eval_shape(vae.init, key)
    # Shapes alone: nothing is computed, and a large model needs no memory yet.
    code = jax.eval_shape(lambda params: vae.prior(params).sample(key), params)
    parameters, units = (sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (params, code))
    model, steps, batch = config.model, config.train.steps, config.train.batch_size
    mesh = place(config, devices).mesh
    epochs = steps * batch / prepared.info["splits"]["train"]["n"]
    kind = mesh.devices.flat[0].device_kind.replace("cpu", "CPU")
    lines = [
        f"run {run}",
        f"  model       {model.kind} with {parameters:,} parameters and {units:,} latent units",
        f"  parts       p(x|z) {model.likelihood.kind}, p(z) {model.prior.kind}, objective {config.objective.kind}",
        f"  training    {steps:,} steps of {batch} images ({epochs:.3g} epochs) on {mesh.size} {kind} "
        f"device{'s' if mesh.size > 1 else ''}",
    ]
    return [printable(line) for line in lines]
