"""The PostgreSQL of a lab that has its own one, made with Debian's programs.

It listens on a socket in its folder and nowhere else, and takes only the user who started the lab (`peer`): it
has no password that could leak. PostgreSQL does not run as root, so a lab of root runs it as the user `postgres`.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.addresses import without_password

ROLE = "bertft"
PROGRAMS = ("initdb", "postgres", "pg_ctl")
"""What a lab of its own needs."""
DEBIAN = Path("/usr/lib/postgresql")
MAX_SOCKET_BYTES = 107
INSTALL = "apt-get install postgresql"


def program(name: str) -> Path:
    """A program of PostgreSQL's server, on the path or where Debian puts it. Raises `UserError` where there is none."""
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
    found = next(iter(versions), None) or shutil.which(name)
    if found is None:
        raise UserError(
            "PostgreSQL is not installed",
            code="server.no-postgresql",
            found=f"no program {name} in PATH or {DEBIAN}",
            expected="PostgreSQL 14 or newer",
            hint=f"{INSTALL}; or name a server that is there: --database postgresql://USER@HOST",
        )
    return Path(found).resolve()


def checked_folder(folder: Path) -> None:
    """Raise `UserError` for a folder that cannot hold a PostgreSQL: its socket's path too long, or out of reach of its user."""
    socket = folder / ".s.PGSQL.5432"
    if len(os.fsencode(socket)) > MAX_SOCKET_BYTES:
        raise UserError(
            "the path of the lab is too long for PostgreSQL's socket",
            code="server.path-too-long",
            path=folder,
            found=f"{len(os.fsencode(socket))} bytes with the socket's name",
            expected=f"at most {MAX_SOCKET_BYTES}",
            hint="choose a shorter --home, or --database",
        )
    if as_user() and subprocess.run([*as_user(), "test", "-x", str(folder.parent)], check=False).returncode:
        raise UserError(
            "the user postgres cannot reach the lab",
            code="server.out-of-reach",
            path=folder.parent,
            found="root, as whom PostgreSQL does not run, and a folder that is closed to the user postgres",
            expected="a folder that every user may pass through",
            hint="choose --home /srv/bertft, start the lab as an ordinary user, or use --database",
        )


def as_user() -> list[str]:
    """What to put before a command of PostgreSQL: nothing, or for root the change to the user `postgres`."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise UserError(
            "PostgreSQL does not run as root",
            code="server.root",
            found="user root, and no user postgres",
            expected="the user that Debian's package makes, or an ordinary user",
            hint=f"{INSTALL}, or start the lab as another user",
        ) from None
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def make_cluster(folder: Path) -> None:
    """Make the lab's own PostgreSQL where there is none; a kill leaves none, or a whole one."""
    if (folder / "PG_VERSION").exists():
        return
    making = folder.with_name("postgres.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    if as_user():
        shutil.chown(making, "postgres", "postgres")
    words = ["-D", str(making), "-U", ROLE, "-E", "UTF8", "--no-locale", "--auth-local=peer", "--auth-host=reject"]
    made = subprocess.run([*as_user(), str(program("initdb")), *words], capture_output=True, text=True, check=False, cwd="/")
    if made.returncode:
        raise UserError(
            "PostgreSQL's files cannot be made",
            code="server.initdb",
            path=folder,
            found=without_password(made.stderr.strip() or made.stdout.strip()),
            hint="fix what initdb says",
        )
    users = {pwd.getpwuid(os.geteuid()).pw_name, *(["postgres"] if as_user() else [])}
    (making / "pg_hba.conf").write_text("local all all peer map=lab\n")
    (making / "pg_ident.conf").write_text("".join(f"lab {user} {ROLE}\n" for user in sorted(users)))
    making.rename(folder)


def server_command(folder: Path) -> list[str]:
    """Runs the lab's own PostgreSQL in the foreground."""
    words = ["-D", str(folder), "-k", str(folder), "-c", "listen_addresses="]
    return [*as_user(), str(program("postgres")), *words]


def stop_server(folder: Path) -> None:
    """End it in order: open connections are closed, and nothing has to be recovered at the next start."""
    words = ["stop", "-D", str(folder), "-m", "fast", "-t", "60"]
    subprocess.run([*as_user(), str(program("pg_ctl")), *words], capture_output=True, check=False, cwd="/")
