"""TensorFlow Datasets (TFDS) as a source, without TensorFlow where possible."""
