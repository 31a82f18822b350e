"""Your own images: any size and format, cropped to the centred square and resized.

make train DATASET=folder RAW=/my/pictures
"""

from jaxvae import Config, Conv, DataConfig, Folder, FullMixturePrior, TrainConfig

config = Config(
    name="folder",
    data=DataConfig(source=Folder(), size=64, color="rgb", pixels="dequantized", flip=True),
    model=Conv(latent=64, prior=FullMixturePrior()),
    train=TrainConfig(steps=3000, batch_size=32, learning_rate=3e-3, warmup_steps=200),
)
