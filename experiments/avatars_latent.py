"""The cartoon faces with a small autoencoder of latent diffusion and a discriminator, for two cores of a CPU.

    make train DATASET=avatars_latent

Not run yet. The code is a map of 16x16 positions with 4 channels. The discriminator learns from step 500 and is heard
from step 1000; `--objective.adversarial 0` trains the same model without one, for comparison. A perceptual distance is
added by `--objective.perceptual 0.1 --objective.perceptual-distance squeeze` (needs `jaxvae[perceptual]`).
"""

from jaxvae import Adversarial, Avatars, Config, DataConfig, KLAutoencoder, TrainConfig

config = Config(
    name="avatars_latent",
    data=DataConfig(source=Avatars(), size=64, walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"),
    model=KLAutoencoder(channels=(16, 32, 64), latent=4, middle_attention=False),
    objective=Adversarial(
        reconstruction="l1",
        adversarial=0.1,
        discriminator_start=500,
        start=1000,
        discriminator_width=16,
        discriminator_learning_rate=4e-4,
    ),
    train=TrainConfig(
        steps=3000,
        batch_size=16,
        learning_rate=1e-3,
        warmup_steps=200,
        ema_decay=0.999,
    ),
)
