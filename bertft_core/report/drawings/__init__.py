"""Pictures of statistics over seeds, each a function of plain numbers that gives one SVG."""
