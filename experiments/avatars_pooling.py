"""The classical network on the cartoon faces: convolution and pooling going in, unpooling and convolution going out.

make train DATASET=avatars_pooling
"""

from jaxvae import Avatars, Config, Conv, DataConfig, FullMixturePrior, TrainConfig

config = Config(
    name="avatars_pooling",
    data=DataConfig(
        source=Avatars(), size=64, pixels="dequantized", walk_from="sunglasses=0,glasses=0", walk_to="sunglasses=1"
    ),
    model=Conv(latent=64, prior=FullMixturePrior(), down="max_pool", up="unpool"),
    train=TrainConfig(steps=3000, batch_size=32, learning_rate=3e-3, warmup_steps=200),
)
