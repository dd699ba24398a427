"""Numbers, intervals, p-values and aligned tables, each written by one module."""
