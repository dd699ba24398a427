"""Every kind of head goes the whole way: prepare, search, train over seeds, evaluate, report, MLflow, a model that opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.transformers
import pytest
import transformers
from mlflow import MlflowClient

from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.heads import HEADS
from bertft_core.storage.predictions import read_predictions
