"""What seeds answer, unit by unit, for every head that answers in categories."""

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config.head_settings import HEAD_CONFIGS, TokenClassificationHead
from bertft_core.metrics import METRICS
