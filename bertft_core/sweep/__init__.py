"""Searches for the settings of an arm: trials, their journal, and what was chosen."""
