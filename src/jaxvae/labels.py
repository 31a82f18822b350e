"""Labels of images: the values of their attributes."""

UNKNOWN = -1  # The value of an attribute that an image has no label for, as in TensorFlow Datasets.
