"""`bertft server`: PostgreSQL, Prefect and MLflow for a group, kept running on one machine by a process of its own."""
