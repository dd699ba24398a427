"""Every pair of arms compared over seeds and examples, from stored per-example predictions. Numbers only; imports no torch."""
