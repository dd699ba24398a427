"""Where records are stored: atomic writes, checksums, damage, retention, upgrade; a finished study. Imports no torch."""
