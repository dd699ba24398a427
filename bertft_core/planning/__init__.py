"""Which runs are wanted, from a study and its records alone."""
