"""Scores over init and order seeds: what tests of crossed designs start from."""

from __future__ import annotations

import numpy as np

GRID = np.array([[70, 72, 71], [74, 75, 76], [69, 73, 68], [71, 71, 74]], dtype=float)
