"""The allocator of workers: jemalloc where it is there, else glibc's with other settings, and never against the user's choice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.training import allocator
from bertft_core.training.allocator import allocator_environment
from bertft_core.training.devices import slot_environments

GIVEN_BACK = """
import psutil
from bertft_core.training.allocator import give_back
blocks = [bytes([1]) * 2**20 for _ in range(200)]
last = bytes(64)
del blocks
before = psutil.Process().memory_info().rss
give_back()
print(before, psutil.Process().memory_info().rss)
"""
FAULTS = """
import resource, sys
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    block = bytearray(16 * 2**20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in ("LD_PRELOAD", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)


def test_jemalloc_is_taken_where_a_distribution_has_put_it_and_glibc_is_set_up_else(monkeypatch, tmp_path):
    library = tmp_path / "libjemalloc.so.2"
    library.touch()
    monkeypatch.setattr(allocator, "PLACES", (str(tmp_path / "absent"), f"{tmp_path}/*.so.2"))
    assert allocator_environment() == {"LD_PRELOAD": str(library), "MALLOC_CONF": allocator.SETTINGS}
    monkeypatch.setenv("MALLOC_CONF", "narenas:1")
    assert allocator_environment()["MALLOC_CONF"] == "narenas:1"
    library.unlink()
    assert set(allocator_environment()) == {"GLIBC_TUNABLES"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "GLIBC_TUNABLES"])
def test_the_users_choice_stays(monkeypatch, name):
    monkeypatch.setenv(name, "mine")
    assert allocator_environment() == {}
    assert name not in slot_environments(ExecutionConfig(device="cpu", slots=1))[0]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's allocators")
@pytest.mark.parametrize("places", [allocator.PLACES, ()], ids=["jemalloc", "glibc"])
def test_memory_that_was_kept_is_given_back_between_runs(monkeypatch, places):
    monkeypatch.setattr(allocator, "PLACES", places)
    environment = allocator_environment()
    if places and "LD_PRELOAD" not in environment:
        pytest.skip("no jemalloc here")
    run = subprocess.run([sys.executable, "-c", GIVEN_BACK], env=os.environ | environment, capture_output=True, text=True)
    kept, left = (int(number) for number in run.stdout.split())
    assert kept > 200 * 2**20 > left


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings")
def test_memory_that_is_freed_is_used_again_without_new_pages(monkeypatch):
    monkeypatch.setattr(allocator, "PLACES", ())

    def faults(environment: dict[str, str]) -> int:
        run = subprocess.run([sys.executable, "-c", FAULTS], env=os.environ | environment, capture_output=True, text=True)
        return int(run.stdout)

    assert faults(allocator_environment()) < faults({}) / 4
