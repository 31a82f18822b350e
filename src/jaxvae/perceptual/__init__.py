"""A perceptual distance between images, from features of a network that was trained to classify photographs."""
