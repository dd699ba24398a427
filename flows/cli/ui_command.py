"""`bertft ui`: MLflow's, Prefect's and Optuna's own pages over one home, and its reports, on 127.0.0.1."""

import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import chain
from pathlib import Path

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.addresses import without_password
from bertft_core.library.study_on_disk import known_studies
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import StudyDir, read_record
from flows.cli import first_sign
from flows.cli.child_process import ChildCommand
from flows.cli.embedded_server import EmbeddedServer
from flows.cli.find_study import find_study
from flows.cli.report_pages import serve_reports
from flows.cli.terminal import say, warn
from flows.cli.whichever_first import as_ready
from tasks.process_environment import use_embedded_prefect
from tasks.report_address import HOST, REPORTS_PORT, page_address
from tasks.report_links import follow_reports
from tasks.tracking.moved_home import follow_home
from tasks.tracking.store_files import MOVE_IT, damage_of_sqlite, digest_in, mlflow_runs, set_prefect_aside

Link = tuple[str, str]
"""What a page shows, and its address."""
START_TIMEOUT_SECONDS = 120.0
FOLLOW_SECONDS = 2.0
OPTUNA_DASHBOARD = "from optuna_dashboard._cli import main; main()"


def ui_command(home: Path | None, study: str | None, first_port: int) -> int:
    """Start the pages, print their links, and wait for Ctrl-C."""
    where = home_dir(home)
    name = None if study is None else find_study(study, home).study.name
    shown_studies = known_studies(where) if name is None else [name]
    if not (where / "mlflow.db").exists() and not shown_studies:
        raise UserError(
            "there is nothing to show yet",
            code="ui.nothing-to-show",
            path=where,
            hint="run a study first: bertft run CONFIG, same --home",
        )
    if (damage := damage_of_sqlite(where / "mlflow.db") or follow_home(where)) is not None:
        raise UserError(
            "the MLflow store is damaged",
            code="mlflow.damaged-store",
            path=where / "mlflow.db",
            found=damage,
            hint=f"{MOVE_IT.format(path=where / 'mlflow.db')}; then run the study again, which logs every record again",
        )
    journals = sorted(where.glob(f"studies/{name or '*'}/sweep/*/journal.log"))
    ports = _free_ports(first_port, 2 + len(journals))
    (reports_port,) = _free_ports(REPORTS_PORT, 1, but=ports)
    with ExitStack() as stack:
        say(f"pages of {where} (Ctrl-C ends them)", flush=True)
        for words, link in chain(
            _other_stores(where, shown_studies), _start(stack, where, name, journals, [*ports, reports_port])
        ):
            say(f"  {words:<28} {link}", flush=True)
        first_sign.stop()
        with suppress(KeyboardInterrupt):
            _wait(where, reports_port)
    return 0


def _start(stack: ExitStack, home: Path, study: str | None, journals: list[Path], ports: list[int]) -> Iterator[Link]:
    """Start every server at once; what each shows, and its link, as soon as it answers."""
    use_embedded_prefect(home)
    if (remark := set_prefect_aside(home)) is not None:
        warn(remark)
    waits: list[Callable[[], list[Link]]] = []
    if (home / "mlflow.db").exists():
        mlflow = _start_child(stack, _mlflow_command(home, ports[0]), home / "logs" / "mlflow-ui.log")
        waits.append(lambda: _when_ready(f"http://{HOST}:{ports[0]}/health", mlflow, _mlflow_links(home, study, ports[0])))
    prefect = stack.enter_context(EmbeddedServer(home / "prefect" / "ui.log", ui=True, port=ports[1]))
    waits.append(lambda: list(_prefect_links(prefect, study, ports[1])))
    *journal_ports, reports_port = ports[2:]
    for journal, port in zip(journals, journal_ports, strict=True):
        command = [sys.executable, "-c", OPTUNA_DASHBOARD, "--host", HOST, "--port", str(port), str(journal)]
        server = _start_child(stack, command, home / "logs" / "optuna-dashboard.log")
        link = f"Optuna: {journal.parts[-4]} {journal.parts[-2].rpartition('-')[0]}", f"http://{HOST}:{port}/dashboard"
        waits.append(partial(_when_ready, f"http://{HOST}:{port}/", server, [link]))
    serve_reports(stack, home, reports_port, partial(_run_addresses, home, ports[0]))
    for report in sorted(home.glob(f"studies/{study or '*'}/report/report.html")):
        yield f"Report: {report.parts[-3]}", page_address(StudyDir(home, report.parts[-3]), reports_port)
    for links in as_ready(waits):
        yield from links


def _when_ready(address: str, server: ChildCommand, links: Iterable[Link]) -> list[Link]:
    _wait_for(address, server)
    return list(links)


def _prefect_links(server: EmbeddedServer, study: str | None, port: int) -> Iterator[Link]:
    """The list of the past week, and the last flow run of one study, whose name is the answer."""
    server.wait_until_ready()
    yield "Prefect: flow runs", f"http://{HOST}:{port}/runs"
    from tasks.prefect_runs import last_flow_run

    run_id = None if study is None else last_flow_run(study, server.api_url)
    if run_id is not None:
        yield "Prefect: the study", f"http://{HOST}:{port}/runs/flow-run/{run_id}"


def _other_stores(home: Path, studies: list[str]) -> Iterator[Link]:
    """Of each study that MLflow keeps elsewhere, where."""
    for name in studies:
        study = read_record(StudyDir(home, name).config_path, StudyConfig)
        if study is not None and study.tracking.uri is not None:
            yield f"MLflow's store: {name}", without_password(study.tracking.uri)


def _mlflow_command(home: Path, port: int) -> list[str]:
    words = ["server", "--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}", "--host", HOST, "--port", str(port)]
    return [sys.executable, "-m", "mlflow", *words, "--workers", "1"]


def _start_child(stack: ExitStack, command: list[str], log_path: Path) -> ChildCommand:
    # without its job runner MLflow needs two gigabytes less
    server = ChildCommand(command, log_path, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    stack.callback(server.stop)
    return server


def _mlflow_links(home: Path, study: str | None, port: int) -> Iterator[Link]:
    """The list of studies, or the runs of one study and its seeds alone; MLflow opens in another mode by default."""
    base = f"http://{HOST}:{port}/#/experiments"
    from tasks.tracking.mlflow_store import open_existing
    from tasks.tracking.shared_view import in_address

    experiment = None if study is None else open_existing(home, None).get_experiment_by_name(study)
    if experiment is None:
        yield "MLflow: studies", f"{base}?workflowType=machine_learning"
        return
    runs = f"{base}/{experiment.experiment_id}/runs?workflowType=machine_learning"
    yield "MLflow: its seeds", f"{runs}&{in_address(experiment.tags)}"
    yield "MLflow: the study", runs


def _run_addresses(home: Path, port: int, study: str) -> dict[str, str]:
    """The pages of a study's runs in the home's own MLflow; of one that is kept elsewhere, the report has them already."""
    newest_last = reversed(mlflow_runs(home, study))
    pages = {digest_in(run.tags): f"http://{HOST}:{port}/{run.page}" for run in newest_last}
    return {digest: page for digest, page in pages.items() if digest is not None}


def _free_ports(first: int, n: int, but: Collection[int] = ()) -> list[int]:
    """The next `n` free ports from `first` on; `but` are spoken for."""
    ports: list[int] = []
    for port in range(first, min(first + 1000, 65536)):
        if port in but:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == n:
            return ports
    raise UserError(
        "there are not enough free ports",
        code="ui.no-free-ports",
        found=f"{len(ports)} free from {first} on",
        expected=f"{n}",
        hint="name a lower --port",
    )


def _wait_for(link: str, server: ChildCommand) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not server.alive:
            raise UserError(
                f"the server of {link} does not start",
                code="ui.server-does-not-start",
                path=server.log.path,
                found=f"the end of its log:\n{server.log.last_lines()}",
                hint="fix what the log says, or try another --port",
            )
        try:
            with urllib.request.urlopen(link, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise UserError(
        f"{link} did not answer within {START_TIMEOUT_SECONDS:.0f} s",
        code="ui.no-answer",
        path=server.log.path,
        hint="its log may say why; then try again, or use another --port",
    )


def _wait(home: Path, reports_port: int) -> None:
    """For ever; a run that ends meanwhile has a link to its report that may need this port."""
    while True:
        with suppress(sqlite3.Error):  # in use: the next time then
            follow_reports(home, reports_port)
        time.sleep(FOLLOW_SECONDS)
