"""Images in files of other formats: archives, HDF5, MATLAB, idx, CIFAR's batches, CSV and Parquet.

`table` lists the formats; each has a module here with `read(path, config) -> Contents`.
"""
