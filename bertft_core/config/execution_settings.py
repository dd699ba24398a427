"""How runs are executed and recorded. Only threads, kind of device, kernels and compute change a result."""

import warnings
from typing import Annotated, Literal

from pydantic import Field

from bertft_core.config.base import LARGEST, Frozen, left_out_if

warnings.filterwarnings("ignore", 'Field name "register" in ')  # pydantic means the method of abstract base classes


class ExecutionConfig(Frozen):
    """Where and how runs are carried out: engine, slots, devices and fault handling."""

    engine: Literal["local", "ray", "work_pool"] = Field(
        "local",
        description="Where runs are carried out: on this machine, on the nodes of a Ray cluster, or by the workers of a Prefect"
        " work pool.",
    )
    address: str | None = Field(
        None,
        min_length=1,
        description="Of a Ray cluster, HOST:PORT; null is the one that RAY_ADDRESS or this machine has. Of a work pool: name.",
    )
    store: str | None = Field(
        None,
        min_length=1,
        description="Where data, states and results travel: file://FOLDER or s3://BUCKET/FOLDER; null is a folder of the home.",
    )
    gpus_per_run: float | None = Field(
        None,
        gt=0.0,
        le=1.0,
        description="Share of a GPU that a run takes on a node; null is a whole one, or 1 ÷ runs_per_device.",
    )
    upload_every_seconds: float = Field(
        60.0, gt=0.0, description="How often the newest state of a run is stored, so that it goes on when its node is lost."
    )

    slots: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="Runs at once; auto is one per GPU, or cores ÷ threads on CPU, of this machine or of all nodes."
    )
    runs_per_device: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        1, description="Runs at once on each GPU, where slots is auto; auto tries how many make a study faster and fit in memory."
    )
    threads_per_run: int = Field(
        1, ge=1, le=1024, description="Part of a run's identity, because it changes floating-point results."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Part of a run's identity. auto is what finished runs of the study have, else a GPU where there is one.",
    )
    kernels: Literal["auto", "mkl", "onednn"] = Field(
        "auto",
        description="What computes fp32 matrix products on a CPU; part of a run's identity. auto is what finished runs of the"
        " study have, else oneDNN where it is measured to be exact and faster.",
    )
    compute: Literal["auto", "fast", "reference", "original"] = Field(
        "auto",
        description="How a BERT-like encoder is computed on a CPU; part of a run's identity. fast has forward and backward by"
        " hand; reference is transformers' modules, with the same dropout; original has torch's dropout, as all runs had before"
        " there was a choice. auto is what finished runs of the study have, else fast.",
    )
    retries: int = Field(1, ge=0, le=1000, description="How often a run that died is restarted.")
    checkpoint_every_seconds: float = Field(60.0, gt=0.0, description="How often a run saves its state to resume from.")
    checkpoint_every_steps: int | None = Field(None, ge=1, le=LARGEST, description="Also save the state after this many steps.")


class RetentionConfig(Frozen):
    """Which models stay on disk: the best seed of each arm, all, or none; and how much space they may take during the study."""

    checkpoints: Literal["best", "all", "none"] = "best"
    budget_gib: float | None = Field(
        None,
        gt=0.0,
        description="Models above it are deleted during the study, worst first, but never the best of an arm.",
    )
    register: bool = Field(
        False,
        exclude_if=left_out_if(False),
        description="Register the best kept model of each arm in MLflow's model registry: STUDY-ARM, with the alias champion and"
        " the verdict on the arm as description.",
    )


class TrackingConfig(Frozen):
    """Where MLflow keeps the record; null is an SQLite store in the study home."""

    uri: str | None = None
    log_models: bool = Field(True, description="Log the kept checkpoints as MLflow models.")
    system_metrics: bool = Field(
        True,
        exclude_if=left_out_if(True),
        description="Log CPU, memory and GPU of each run every ten seconds, as measured in the process that trains it.",
    )
    every_metric: bool = Field(
        False,
        description="Log every statistic and the scores of each label too; MLflow's pages become slow. They are in files anyway.",
    )
