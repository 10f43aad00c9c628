"""SavedModels that tests serve, built on demand.

Each module of this package has a table `MODELS`: name -> builder. A builder is given the base directory to write
numeric version directories into, and is the only place where TensorFlow is imported.
"""
