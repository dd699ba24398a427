"""Prefect tasks: one core call plus tracking; the only place that imports MLflow."""
