"""What `deploy/` names is there in the product, and its scripts do under bash what they say; only SLURM itself is made up."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertft_core.config import StudyConfig, parse_study
from tasks.process_environment import TABLE
from tests.helpers.markdown import ROOT
from tests.helpers.slurm_stand_in import Slurm
from tests.helpers.waiting import until

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
JOB: dict[str, Any] = json.loads((DEPLOY / "kubernetes" / "job-template.json").read_text())
CLUSTER: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "ray-cluster.yaml").read_text())
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.name != "README.md" and path.suffix != ".env"]

MINIMAL = {"name": "x", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}


def lines_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").replace("\\\n", " ")


def test_the_readme_says_of_every_file_what_was_run_here():
    table = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", (DEPLOY / "README.md").read_text(), re.MULTILINE)
    assert [name for name, *_ in table] == sorted(str(path.relative_to(DEPLOY)) for path in FILES)
    assert len(table) >= 8
    assert all(run.strip() and not_run.strip() for _, run, not_run in table)


def test_every_extra_that_is_installed_exists():
    named = [name for path in FILES for words in re.findall(r'EXTRAS="([a-z0-9 ]+)"', lines_of(path)) for name in words.split()]
    assert set(named) == {"ray", "postgres", "s3"}
    assert set(named) <= EXTRAS.keys()
    assert all((ROOT / f"requirements-{name}.lock").is_file() for name in named)


def test_every_setting_of_a_study_exists():
    named = re.findall(r"--set (execution\.[a-z_]+)=(\S+)", "".join(map(lines_of, [*FILES, DEPLOY / "README.md"])))
    assert {key for key, _ in named} >= {"execution.engine", "execution.address", "execution.store"}
    known = StudyConfig.model_fields["execution"].annotation.model_fields
    assert {key.partition(".")[2] for key, _ in named} <= known.keys()
    parse_study(MINIMAL, ["execution.engine=ray", "execution.address=n1:6379", "execution.store=file:///store"])


def test_every_variable_of_ours_exists():
    known = {name for each in TABLE for name in each.names}
    own = {"BERTFT_BIN", "BERTFT_STORE", "BERTFT_POOL", "BERTFT_TOKENS"}  # of the scripts in slurm/
    named = {name for path in FILES for name in re.findall(r"\bBERTFT_[A-Z_]+", lines_of(path))}
    assert {"BERTFT_HOME", "BERTFT_NODE_HOME"} <= named
    assert named <= known | own


def test_the_deployments_and_the_pool_that_files_name_are_those_of_the_product():
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    pools = {each["work_pool"]["name"] for each in deployed["deployments"]}
    named = set(re.findall(r"--pool\"?,? \"?([a-z]+)", (DEPLOY / "compose.yaml").read_text()))
    assert named == pools == {"local"}
    assert "${BERTFT_POOL:-local}" in (DEPLOY / "slurm" / "worker.sbatch").read_text()


GUIDE = ROOT / "docs" / "guides" / "many-machines.md"


def test_the_guide_has_at_most_ten_commands_a_station_and_names_what_is_there():
    stations = re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    names = ["Laptop", "Lab server", "Ray cluster", "All of it on one machine", "Kubernetes", "SLURM"]
    assert [station.splitlines()[0] for station in stations] == names
    deployed = {each["name"] for each in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
    for station in stations:
        commands = [line for text in re.findall(r"```bash\n(.*?)```", station, re.DOTALL) for line in text.splitlines()]
        assert 3 <= len(commands) <= 10
        for command in commands:
            assert [
                name
                for name in re.findall(r"deploy/[\w./-]+\w", command)
                if name != "deploy/lab.env" and not (ROOT / name).is_file()
            ] == []
            assert set(re.findall(r"deployment run [a-z-]+/([a-z-]+)", command)) <= deployed
            overrides = re.findall(r"\b(execution\.[a-z]+=[^\s\"]+)", command)
            parse_study(MINIMAL, overrides)


def test_compose_is_whole_and_keeps_passwords_out_of_it():
    services = COMPOSE["services"]
    assert services.keys() == {"postgres", "prefect", "mlflow", "deployments", "worker", "ray-head", "ray-node"}
    volumes = [volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert {name for name in volumes if not name.startswith(".")} == COMPOSE["volumes"].keys()
    assert [name for name in volumes if name.startswith(".") and not (DEPLOY / name).is_file()] == []
    used = {config["source"] for service in services.values() for config in service.get("configs", [])}
    assert used == COMPOSE["configs"].keys()
    assert {other for service in services.values() for other in service.get("depends_on", [])} <= services.keys()
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))
    text = (DEPLOY / "compose.yaml").read_text()
    secret = re.findall(r"^\s*[A-Z_]*(?:PASSWORD|TOKEN|AUTH_STRING|SECRET_KEY):? (.+)$", text, re.MULTILINE)
    assert len(secret) >= 9
    assert all("${" in value for value in secret)
    assert not re.search(r"://[^@\s]+:[^@\s]+@", text)


@pytest.mark.slow
def test_what_containers_run_are_programs_with_these_options():
    """By asking the programs themselves, of which ray need not be installed."""
    asked = {
        ("prefect", "server", "start"): ["--host", "--port", "--analytics-off"],
        ("prefect", "worker", "start"): ["--pool", "--limit", "--name"],
        ("prefect", "work-pool", "create"): ["--type", "--overwrite"],
    }
    commands = [" ".join(service.get("command", [])) for service in COMPOSE["services"].values()]
    commands.append(lines_of(DEPLOY / "slurm" / "worker.sbatch"))
    bin_dir = Path(__import__("sys").executable).parent
    for program, options in asked.items():
        assert any(" ".join(program) in command for command in commands)
        shown = subprocess.run([bin_dir / program[0], *program[1:], "--help"], capture_output=True, text=True, check=True).stdout
        assert [option for option in options if option not in shown] == []


def test_credentials_are_made_once_for_their_owner_alone(tmp_path):
    made = tmp_path / "lab.env"
    script = [str(DEPLOY / "make-credentials.sh"), str(made)]
    subprocess.run(script, check=True, umask=0o000)
    assert made.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in made.read_text().splitlines())
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    assert values.keys() == wanted
    assert len(set(values.values())) == len(values)
    assert min(map(len, values.values())) >= 48
    assert subprocess.run(script, capture_output=True).returncode == 1
    assert dict(line.split("=", 1) for line in made.read_text().splitlines()) == values


def test_ray_s_version_in_kubernetes_is_that_of_the_lock():
    lock = (ROOT / "requirements-ray.lock").read_text()
    assert f"ray=={CLUSTER['spec']['rayVersion']}\n" in lock
    groups = CLUSTER["spec"]["workerGroupSpecs"]
    assert [group["groupName"] for group in groups] == ["cpu", "gpu"]
    for template in (CLUSTER["spec"]["headGroupSpec"]["template"], *(group["template"] for group in groups)):
        (container,) = template["spec"]["containers"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]


@pytest.fixture
def slurm(tmp_path) -> Slurm:
    return Slurm(tmp_path, "ray", "bertft", "prefect")


def output_of(job: subprocess.Popen[str]) -> str:
    """Of one that has ended."""
    return "" if job.poll() is None or job.stdout is None else job.stdout.read()


def test_a_job_starts_a_cluster_runs_the_study_on_it_and_ends_all(slurm):
    job = slurm.sbatch(DEPLOY / "slurm" / "ray.sbatch", "configs/x.yaml", "--set", "seeds.n=2", nodes=3, FINISHES="1")
    output, _ = job.communicate(timeout=30)
    assert job.returncode == 0, output
    head, *nodes = [words for words in slurm.calls("ray") if words[-1] != "SIGTERM"]
    assert "--head" in head
    assert "--port=24711" in head
    assert "RAY_AUTH_MODE=token" in head
    assert [("--address=n1:24711" in words, "--block" in words) for words in nodes] == [(True, True)] * 2
    begun, done = slurm.calls("bertft")
    assert begun[:4] == ["run", "configs/x.yaml", "--set", "seeds.n=2"]
    settings = [word for word in begun if word.startswith("execution.")]
    store = f"execution.store=file://{slurm.folder}/bertft-home/artifacts"
    assert settings == ["execution.engine=ray", "execution.address=n1:24711", store]
    assert done[-1] == "done"
    assert [words[-1] for words in slurm.calls("ray")].count("SIGTERM") == 3, "the head and both nodes"
    assert list((slurm.folder / ".ray").iterdir()) == [], "the token is gone"


def test_the_nodes_of_a_job_are_asked_for_one_after_the_other_on_different_machines(slurm):
    job = slurm.sbatch(DEPLOY / "slurm" / "ray.sbatch", "x.yaml", nodes=3, FINISHES="1")
    job.communicate(timeout=30)
    head, rest = slurm.calls("srun")
    assert {"--nodes=1", "--ntasks=1", "--nodelist=n1"} <= set(head)
    assert {"--nodes=2", "--ntasks=2", "--exclude=n1"} <= set(rest)


def test_a_job_that_fails_says_so(slurm):
    (slurm.bin / "bertft").write_text("#!/bin/sh\nexit 2\n")
    job = slurm.sbatch(DEPLOY / "slurm" / "ray.sbatch", "x.yaml")
    job.communicate(timeout=30)
    assert job.returncode == 2
    assert len(slurm.calls("srun")) == 1, "one node needs no other"


def test_a_preempted_job_stops_its_study_in_order(slurm):
    job = slurm.sbatch(DEPLOY / "slurm" / "ray.sbatch", "x.yaml")
    until(lambda: slurm.calls("bertft"), "the study", told=lambda: output_of(job))
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=30)
    assert job.returncode == 130
    assert slurm.calls("bertft")[-1][-1] == "SIGINT"


def test_a_worker_runs_in_a_job_until_it_is_told_to_stop(slurm):
    script = DEPLOY / "slurm" / "worker.sbatch"
    output, _ = (refused := slurm.sbatch(script)).communicate(timeout=30)
    assert refused.returncode != 0
    assert "load the credentials of the lab first" in output
    job = slurm.sbatch(script, PREFECT_API_URL="http://127.0.0.1:4200/api")
    until(lambda: slurm.calls("prefect"), "the worker", told=lambda: output_of(job))
    words = slurm.calls("prefect")[0]
    assert words[:8] == shlex.split("worker start --pool local --limit 1 --name slurm-4711")
    assert f"BERTFT_HOME={slurm.folder}/bertft-home" in words
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=30)
    assert slurm.calls("prefect")[-1][-1] == "SIGTERM"
