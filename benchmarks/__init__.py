"""Runnable comparisons with the tools people use otherwise."""
