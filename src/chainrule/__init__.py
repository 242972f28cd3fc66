"""A small deep-learning engine in NumPy, written to be read."""
