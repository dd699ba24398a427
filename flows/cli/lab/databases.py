"""The databases of a lab, in its own PostgreSQL or in one that the user names, and what to say where they let nobody in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError

from bertft_core.config import UserError
from bertft_core.config.addresses import shown, without_password
from flows.cli.lab.postgres import ROLE

DATABASES = ("prefect", "mlflow")
CONNECT_SECONDS = 10
INSTALL_DRIVERS = 'pip install "bertft[postgres]"'


def lab_url(folder: Path, given: str | None) -> URL:
    """The address of the PostgreSQL: the lab's own, or the given one; without a database. Passwords are PostgreSQL's own matter.

    Its clients look for one in PGPASSWORD and `~/.pgpass`. Raises `UserError` for what is no address, or holds a password.
    """
    if given is None:
        return URL.create("postgresql", username=ROLE, query={"host": str(folder)})
    try:
        url = make_url(given)
    except (SQLAlchemyError, ValueError):
        url = URL.create("unknown")
    if url.get_backend_name() != "postgresql" or not (url.host or url.query.get("host")) or url.database:
        raise UserError(
            "--database names no PostgreSQL server",
            code="server.database-address",
            found=without_password(given),
            expected="postgresql://USER@HOST:PORT without a database: those of the lab are " + " and ".join(DATABASES),
            hint="such as --database postgresql://bertft@db.example.org",
        )
    if url.password is not None or "password" in url.query:
        raise UserError(
            "a password on the command line can be read by everybody on this machine",
            code="server.password-in-address",
            found=f"--database {without_password(given)}",
            expected="an address without a password",
            hint="put it into ~/.pgpass (HOST:PORT:*:USER:PASSWORD, mode 600) or PGPASSWORD",
        )
    return url.set(drivername="postgresql")


def make_databases(url: URL) -> None:
    """The databases of the lab's own PostgreSQL, and the extension that Prefect needs; those that are there stay."""
    with _connected(url, "postgres") as connection:
        there = set(connection.scalars(text("SELECT datname FROM pg_database")))
        for name in set(DATABASES) - there:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    with _connected(url, "prefect") as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))


@contextmanager
def _connected(url: URL, database: str) -> Iterator[Connection]:
    engine = create_engine(
        url.set(database=database), isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": CONNECT_SECONDS}
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def expect_databases(url: URL) -> None:
    """Raise `UserError` where a database does not let us in, is not there, or where the driver is missing."""
    for name in DATABASES:
        try:
            with _connected(url, name):
                continue
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise missing_drivers(error) from None
        except OperationalError as error:
            raise _refused(url.set(database=name), error) from None


def missing_drivers(error: Exception) -> UserError:
    """What to say where the packages of the extra are not installed."""
    return UserError(
        "the packages of a lab are not installed",
        code="server.no-drivers",
        found=shown(error),
        expected="the extra `postgres`",
        hint=f"{INSTALL_DRIVERS}, or in a checkout make install EXTRAS=postgres",
    )


def _reason(text: str) -> str:
    """The last try's reason; libpq's questions after it ("Is the server running locally?") begin with a tab."""
    lines = text.strip().splitlines()
    return without_password(next((line for line in reversed(lines) if not line.startswith("\t")), lines[-1]))


def _refused(url: URL, error: OperationalError) -> UserError:
    reason = _reason(str(error.orig)) if error.orig else shown(error)
    where = url.render_as_string(hide_password=True)
    if "authentication failed" in reason or "no password supplied" in reason:
        return UserError(
            "PostgreSQL refuses the credentials",
            code="server.wrong-database-credentials",
            found=f"{where}: {reason}",
            expected="the password of that user, in ~/.pgpass or PGPASSWORD",
            hint="a line HOST:PORT:*:USER:PASSWORD in ~/.pgpass, a file of mode 600",
        )
    if "does not exist" in reason:
        return UserError(
            "a database of the lab is missing",
            code="server.no-database",
            found=f"{where}: {reason}",
            expected="the databases " + " and ".join(DATABASES),
            hint="an administrator makes them: psql --file deploy/postgres.sql",
        )
    return UserError(
        "PostgreSQL does not answer",
        code="server.no-database-server",
        found=f"{where}: {reason}",
        expected="a running server",
        hint="start it, or correct --database",
    )
