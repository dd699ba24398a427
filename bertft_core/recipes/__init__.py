"""What a practitioner would set before the first run: rules in tables, from the size of the data, the task and the machine."""
