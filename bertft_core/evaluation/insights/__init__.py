"""What the runs of a study show beyond their means: sources of variance, agreement of seeds, seeds needed, budgets."""
