"""Photographs of faces, 64x64, for a GPU or a TPU.

    make train DATASET=celeba RAW=/folder/of/celeba

The download that TFDS tries first is refused to most people; docs/tutorials/your-pictures.md says what RAW may hold,
such as the folder that Kaggle hands out. The crop is the one of the autoencoder literature, 140x140 around the centre
(Ghosh et al. 2020).
"""

from jaxvae import TFDS, Config, Conv, DataConfig, FullMixturePrior, TrainConfig

config = Config(
    name="celeba",
    data=DataConfig(
        source=TFDS(name="celeb_a"),
        crop=140,
        size=64,
        pixels="dequantized",
        flip=True,
        walk_from="Eyeglasses=0",
        walk_to="Eyeglasses=1",
    ),
    model=Conv(latent=128, channels=(64, 128, 256, 512), prior=FullMixturePrior(refit_every=10_000)),
    train=TrainConfig(
        steps=60_000,
        batch_size=128,
        learning_rate=5e-4,
        warmup_steps=1000,
        ema_decay=0.999,
        log_every=50,
        validate_every=5000,
        picture_every=5000,
    ),
)
