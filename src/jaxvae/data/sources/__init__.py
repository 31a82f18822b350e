"""Dataset sources: generated avatars, image folders, NumPy arrays and TensorFlow Datasets."""
