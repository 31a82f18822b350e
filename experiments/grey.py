"""A small autoencoder of latent diffusion for images with one channel, 64x64, such as scans, for two cores of a CPU.

    make train DATASET=grey RAW=/my/pictures

Colours are turned into grey. The code is a map of 16x16 positions with 2 channels. A discriminator may follow the
likelihood, as in avatars_latent.py.
"""

from jaxvae import Adversarial, Config, DataConfig, Folder, KLAutoencoder, TrainConfig

config = Config(
    name="grey",
    data=DataConfig(source=Folder(), size=64, color="grey"),
    model=KLAutoencoder(channels=(16, 32, 64), latent=2, middle_attention=False),
    objective=Adversarial(
        reconstruction="likelihood",
        adversarial=0.0,
        discriminator_start=1000,
        start=1100,
        discriminator_width=16,
        discriminator_learning_rate=4e-4,
    ),
    train=TrainConfig(
        steps=1500,
        batch_size=16,
        learning_rate=1e-3,
        warmup_steps=200,
        ema_decay=0.999,
    ),
)
