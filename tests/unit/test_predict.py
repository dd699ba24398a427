"""Answers for new examples are those a run stored of its own test set; several seeds answer with the mean of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.new_examples import Inputs, read_inputs
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics import METRICS
from bertft_core.metrics.question_answering import predicted_texts
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.predict import KeptRun, predict
