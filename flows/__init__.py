"""Prefect flows: tables of contents of a study, and the command line."""
