"""The default experiment: cartoon faces, 64x64, on a laptop's CPU.

make train                                  (or python -m jaxvae.train experiments/avatars.py)
"""

from jaxvae import Avatars, Config, Conv, DataConfig, FullMixturePrior, TrainConfig

config = Config(
    name="avatars",
    data=DataConfig(
        source=Avatars(), size=64, pixels="dequantized", walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"
    ),
    model=Conv(channels=(32, 64, 96, 128), latent=64, prior=FullMixturePrior()),
    train=TrainConfig(steps=3000, batch_size=32, learning_rate=3e-3, warmup_steps=200),
)
