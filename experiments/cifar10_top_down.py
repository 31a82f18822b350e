"""CIFAR-10 with a hierarchy of 30 blocks of latents, for one large accelerator.

    make train DATASET=cifar10_top_down         (downloads; or RAW=/folder/of/cifar-10-binary.tar.gz)

Not run yet. `python -m jaxvae.plan cifar10_top_down --shape 32 32 3`, compiled for a TPU v5e:2x2: 3.16 GB on each
device and 5.62 TFLOP a step; estimated for one GPU: 4.75 GB (2026-11-30). To be reached: 3.2 bits per dimension or
better after 100 000 steps. Published for a model of this kind: 2.87 after 800 000 steps of 32 images (Hazami et al.
2022, "Efficient-VDVAE"). Towards 2.9, with blocks and steps as there:

    make train DATASET=cifar10_top_down ARGS="--run runs/long --model.channels 48 96 192 384 384 \\
        --model.blocks 22 11 7 4 1 --model.middle 48 --train.steps 800000 --train.batch-size 32"

Compiled likewise, that takes 1.58 GB on each device; estimated for one GPU, 0.99 GB and 1.23 TFLOP a step.
"""

from jaxvae import ELBO, TFDS, Config, DataConfig, DiscretizedLogisticMixtureLikelihood, TopDown, TrainConfig

config = Config(
    name="cifar10_top_down",
    data=DataConfig(
        source=TFDS(name="cifar10"),
        size=None,
        pixels="scaled",
        flip=True,
        walk_from="label=cat",
        walk_to="label=dog",
    ),
    model=TopDown(
        stem=(),
        channels=(128, 256, 384, 384, 384),
        blocks=(12, 8, 6, 3, 1),
        middle=64,
        latent=16,
        dtype="bfloat16",
        likelihood=DiscretizedLogisticMixtureLikelihood(),
    ),
    objective=ELBO(warmup_steps=5000),
    train=TrainConfig(
        steps=100_000,
        batch_size=128,
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
