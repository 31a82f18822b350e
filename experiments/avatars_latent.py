"""The cartoon faces with a small autoencoder of latent diffusion, for two cores of a CPU.

    make train DATASET=avatars_latent

The code is a map of 8x8 positions with 4 channels, 1/48 of the numbers of an image. The likelihood comes first: trained
by L1 from the first step, the model ended 4 dB lower, without pale details. Afterwards L1, a perceptual distance and a
discriminator of weight 0.01 sharpen edges; experiments/README.md has the commands and figures. At a weight ten times as
large the discriminator left rings around every edge.
"""

from jaxvae import Adversarial, Avatars, Config, DataConfig, KLAutoencoder, TrainConfig

config = Config(
    name="avatars_latent",
    data=DataConfig(source=Avatars(), size=64, walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"),
    model=KLAutoencoder(channels=(16, 32, 64, 64), latent=4, middle_attention=False),
    objective=Adversarial(
        reconstruction="likelihood",
        adversarial=0.0,
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
