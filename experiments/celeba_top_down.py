"""Photographs of faces, 64x64, with a hierarchy of latents, for one large accelerator.

    make train DATASET=celeba_top_down RAW=/folder/of/celeba

Not run yet. The data are those of experiments/celeba.py. `python -m jaxvae.plan celeba_top_down`, compiled for a TPU
v5e:2x2: 1.17 GB on each device and 2.05 TFLOP a step; estimated for one GPU: 2.16 GB (2026-11-30).
"""

from jaxvae import ELBO, TFDS, Config, DataConfig, DiscretizedLogisticMixtureLikelihood, TopDown, TrainConfig

config = Config(
    name="celeba_top_down",
    data=DataConfig(
        source=TFDS(name="celeb_a"),
        crop=140,
        size=64,
        pixels="scaled",
        flip=True,
        walk_from="Eyeglasses=0",
        walk_to="Eyeglasses=1",
    ),
    model=TopDown(
        stem=(64,),
        channels=(128, 256, 256, 256, 256),
        blocks=(8, 8, 6, 3, 1),
        middle=64,
        latent=16,
        dtype="bfloat16",
        likelihood=DiscretizedLogisticMixtureLikelihood(),
    ),
    objective=ELBO(warmup_steps=5000),
    train=TrainConfig(
        steps=150_000,
        batch_size=64,
        optimizer="adamax",
        learning_rate=1e-3,
        warmup_steps=500,
        spike_factor=10.0,
        ema_decay=0.9995,
        log_every=50,
        validate_every=5000,
        picture_every=5000,
    ),
)
