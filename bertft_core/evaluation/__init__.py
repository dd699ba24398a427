"""From the runs' stored predictions to what can be said over seeds. Imports no torch."""
