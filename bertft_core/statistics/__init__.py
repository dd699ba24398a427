"""Statistics over seeds and examples: pure functions of numpy arrays, each with the source of its formula."""
