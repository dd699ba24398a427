"""What can be claimed: every pair of arms over seeds and examples, from stored per-example predictions. Imports no torch."""
