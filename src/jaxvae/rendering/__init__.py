"""Image output: PNG grids with or without captions, folders of PNGs, animations and scatter plots."""
