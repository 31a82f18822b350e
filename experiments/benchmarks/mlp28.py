"""Epochs of 784-400-z20-400-784 on Fashion-MNIST, including data, against Pythae's trainer and a plain PyTorch loop.

    make bench NAME=mlp28                     (--raw FOLDER with the four files, if they cannot be downloaded)

All 60 000 training images, grey values under a Bernoulli likelihood, float32; batch 100, then batch 20. The last row of
each compares with only the matrix products of the step, in a JAX scan.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from contest import QUICK, Contestant, Side, on_accelerator, record, take_turns
from instruction_sets import instruction_sets, limited
from ours import FOREVER, contestant, start_of

from jaxvae import MLP, TFDS, BernoulliLikelihood, Config, DataConfig, TrainConfig
from jaxvae.cli import told
from jaxvae.data.prepare import prepare

# Batch sizes, and the images that QUICK=1 takes: so many that the steps are a multiple of the hundred of one dispatch.
BATCHES = {100: 10_000, 20: 4_000}
UNITS = ((784, 400), (400, 40), (20, 400), (400, 784))


def config_of(batch_size: int) -> Config:
    """Returns our config of the model, without validation or images during training."""
    train = TrainConfig(
        steps=FOREVER, batch_size=batch_size, schedule="constant", warmup_steps=0, clip_norm=None, log_every=100,
        validate_every=FOREVER, picture_every=FOREVER,
    )  # fmt: skip
    model = MLP(hidden=(400,), latent=20, likelihood=BernoulliLikelihood())
    return Config(data=DataConfig(pixels="scaled"), model=model, train=train)


def plain_pytorch(start: dict[str, Any], images: np.ndarray, batch_size: int, device: str) -> Side:
    """Trains in a plain PyTorch loop over shuffled rows of a tensor in memory."""
    import torch
    from peers import MLPDecoder, MLPEncoder, as_jax_multiplies, kl, wait
    from torch.nn import functional

    as_jax_multiplies()

    encoder = MLPEncoder(start["params"]["encoder"]).to(device)
    decoder = MLPDecoder(start["params"]["decoder"]).to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3, fused=True)
    dataset = torch.tensor(images.reshape(len(images), -1), device=device).to(torch.float32) / 255.0

    def loss_of(x: Any, noise: Any) -> Any:
        mean, log_variance = encoder(x)
        logits = decoder(mean + torch.exp(0.5 * log_variance) * noise)
        error = functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        return (error + kl(mean, log_variance)).mean()

    x, noise = (torch.tensor(start[name], device=device) for name in ("x", "noise"))
    loss = float(loss_of(x.flatten(1), noise).detach())

    def turn() -> float:
        begin = time.perf_counter()
        for rows in torch.randperm(len(dataset), device=device).split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss_of(dataset[rows], torch.randn(len(rows), 20, device=device)).backward()
            optimizer.step()
        wait(device)
        return time.perf_counter() - begin

    turn()
    return Side(turn, loss)


def pythae(start: dict[str, Any], images: np.ndarray, batch_size: int, device: str) -> Side:
    """Trains with Pythae's own trainer and VAE, with an encoder and decoder of the same architecture."""
    import torch
    from peers import MLPDecoder, MLPEncoder
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.inner = MLPEncoder(start["params"]["encoder"])

        def forward(self, x: Any) -> Any:
            mean, log_variance = self.inner(x)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.inner = MLPDecoder(start["params"]["decoder"])

        def forward(self, z: Any) -> Any:
            return ModelOutput(reconstruction=torch.sigmoid(self.inner(z)).reshape(-1, 1, 28, 28))

    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    model = VAE(settings, encoder=Encoder(), decoder=Decoder())
    sample_gauss, noise = model._sample_gauss, torch.tensor(start["noise"])
    model._sample_gauss = lambda mean, deviation: (mean + deviation * noise, noise)
    x = torch.tensor(start["x"]).reshape(-1, 1, 28, 28)
    loss = float(model({"data": x}).loss.detach())
    model._sample_gauss = sample_gauss

    dataset = torch.tensor(images.reshape(-1, 1, 28, 28)).to(torch.float32) / 255.0
    folder = tempfile.mkdtemp()
    training = BaseTrainerConfig(
        output_dir=folder,
        num_epochs=1,
        per_device_train_batch_size=batch_size,
        learning_rate=1e-3,
        no_cuda=device == "cpu",
    )
    trainer = BaseTrainer(
        model=model, train_dataset=BaseDataset(dataset, torch.zeros(len(dataset))), training_config=training
    )
    trainer.prepare_training()
    epochs = 0

    def turn() -> float:
        nonlocal epochs
        epochs += 1
        begin = time.perf_counter()
        trainer.train_step(epochs)
        return time.perf_counter() - begin

    turn()
    return Side(turn, loss)


def products_alone(steps: int, batch_size: int) -> Side:
    """Computes only the matrix products of the steps: forward, weight gradients and input gradients."""
    import jax
    import jax.numpy as jnp

    def step(weights: list[Any], x: Any) -> tuple[list[Any], Any]:
        updated, total = [], jnp.zeros(())
        for i, weight in enumerate(weights):
            inputs, outputs = x[:, : weight.shape[0]], x[:, : weight.shape[1]]
            product, gradient = inputs @ weight, inputs.T @ outputs
            total += product[0, 0] + (outputs @ weight.T)[0, 0] if i else product[0, 0]
            updated.append(weight + 1e-9 * gradient)
        return updated, total

    scanned = jax.jit(lambda weights, xs: jax.lax.scan(step, weights, xs))
    weights, xs = [jnp.ones(shape) for shape in UNITS], jnp.ones((100, batch_size, 784))

    def turn() -> float:
        begin = time.perf_counter()
        for _ in range(steps // 100):
            done = scanned(weights, xs)
        jax.block_until_ready(done)
        return time.perf_counter() - begin

    turn()
    return Side(turn)


def mlp28(raw: Path | None = None) -> None:
    """Runs both batch sizes.

    Args:
        raw: Folder with the four files of Fashion-MNIST; downloaded if not set.
    """
    prepared = prepare(DataConfig(source=TFDS(name="fashion_mnist", raw=None if raw is None else str(raw)), size=None))
    all_images = np.concatenate([prepared.split(name).images for name in ("train", "validation")])
    device, tolerance = ("cuda", 2e-3) if on_accelerator() else ("cpu", 1e-4)
    for instructions, environment in instruction_sets().items():
        for batch_size, some in BATCHES.items():
            images, unit = (all_images[:some], f"s for {some:,} images") if QUICK else (all_images, "s an epoch")
            config, steps = config_of(batch_size), len(images) // batch_size
            start = start_of(config, images)
            sides = {
                "jaxvae": contestant(config, images, steps),
                "plain PyTorch": Contestant(
                    partial(plain_pytorch, start, images, batch_size, device), imports=("peers",)
                ),
                "Pythae": Contestant(
                    partial(pythae, start, images, batch_size, device), imports=("peers", "pythae.trainers")
                ),
                "products": Contestant(partial(products_alone, steps, batch_size)),
            }
            measured = take_turns(limited(sides, environment), repeats=5, tolerance=tolerance)
            ours = measured["jaxvae"]
            limit = {"matrix products alone": measured["products"]}
            row = partial(record, unit=unit, instructions=instructions)
            for peer, target in (("plain PyTorch", 1.5), ("Pythae", 3.0)):
                row(f"mlp28, batch {batch_size}, {peer}", ours, {peer: measured[peer]}, target=target)
            row(f"mlp28, batch {batch_size}, limit", ours, limit, target=0.75)


if __name__ == "__main__":
    told(lambda: tyro.cli(mlp28))
