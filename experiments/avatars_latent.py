"""The cartoon faces with a small autoencoder of latent diffusion and a discriminator, for two cores of a CPU.

    make train DATASET=avatars_latent

The code is a map of 8x8 positions with 4 channels, 1/48 of the numbers of an image. The discriminator learns from step
1500 and is heard from step 1600, a little: at a weight ten times as large it left rings around every edge. A perceptual
distance is added by `--objective.perceptual 0.2 --objective.perceptual-distance squeeze` (needs `jaxvae[perceptual]`).
The measured runs, in experiments/README.md, began with the likelihood alone.
"""

from jaxvae import Adversarial, Avatars, Config, DataConfig, KLAutoencoder, TrainConfig

config = Config(
    name="avatars_latent",
    data=DataConfig(source=Avatars(), size=64, walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"),
    model=KLAutoencoder(channels=(16, 32, 64, 64), latent=4, middle_attention=False),
    objective=Adversarial(
        reconstruction="l1",
        adversarial=0.01,
        discriminator_start=1500,
        start=1600,
        discriminator_width=16,
        discriminator_learning_rate=4e-4,
    ),
    train=TrainConfig(
        steps=2500,
        batch_size=16,
        learning_rate=1e-3,
        warmup_steps=200,
        ema_decay=0.999,
    ),
)
