"""A million parts on a virtual clock: the real gate and the real recorder, everything around them made to fail."""
