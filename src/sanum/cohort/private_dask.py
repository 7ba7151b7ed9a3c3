"""Dask that obeys its owner alone: one certificate for every connection, and no web server.

Whoever reaches a scheduler or a worker of Dask can run code as the person who started it. On a machine or a
network that others use, both must therefore ask for a certificate; they encrypt then, too.
"""

import logging
import os
import stat
from pathlib import Path
from typing import Any

from distributed import Nanny, Scheduler, Security, SpecCluster, Worker
from distributed.system import MEMORY_LIMIT

from ..scan.names import printable
from ..scan.write import reason_of

_HERE = {"host": "127.0.0.1", "protocol": "tls://"}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK


class QuietScheduler(Scheduler):
    """A scheduler without a web server, which would show everybody what is done."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""


class QuietWorker(Worker):
    """A worker without a web server."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """Start none."""


def private_cluster(workers: int) -> SpecCluster:
    """Processes of this machine with a certificate of their own, which is in no file that others can read.

    Parameters
    ----------
    workers : int
        Number of processes, each with one thread and its part of the machine's memory.
    """
    security = Security.temporary()
    options = {**_HERE, "security": security}
    worker = {
        "cls": Nanny,
        "options": {
            **options,
            "worker_class": QuietWorker,
            "nthreads": 1,
            "memory_limit": int(MEMORY_LIMIT / workers),
            "silence_logs": logging.CRITICAL,
        },
    }
    return SpecCluster(
        workers=dict.fromkeys(range(workers), worker),
        worker=worker,
        scheduler={"cls": QuietScheduler, "options": {**options, "port": 0, "dashboard": False}},
        security=security,
        silence_logs=logging.CRITICAL,
    )


def private(file: str | Path) -> dict[str, Any]:
    """Arguments of `SLURMCluster`, `PBSCluster` or `SGECluster` with which it obeys its owner alone.

    Parameters
    ----------
    file : str or Path
        The certificate with its key, on a disk that all jobs see. It is made if missing; only its owner can
        read it. The command needs it too: `--certificate`.

    Raises
    ------
    ValueError
        The file cannot be made or read, or others can read it.
    """
    file = Path(file).expanduser().absolute()
    if not os.path.lexists(file):
        _make(file)
    worker_class = f"{QuietWorker.__module__}.{QuietWorker.__name__}"
    return {
        "security": read_certificate(file),
        "protocol": "tls://",
        "scheduler_cls": QuietScheduler,
        "scheduler_options": {"dashboard": False, "dashboard_address": None},
        "worker_extra_args": ["--worker-class", worker_class],
    }


def read_certificate(file: Path) -> Security:
    """What all who hold this certificate know each other by.

    Parameters
    ----------
    file : Path
        From `private`: a certificate and its key in PEM format.

    Raises
    ------
    ValueError
        It cannot be read, or others can read it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | _NO_FOLLOW)
        with os.fdopen(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            text = opened.read(1 << 20) if is_ours else b""
    except OSError as error:
        raise ValueError(
            f"the certificate {printable(file)} cannot be read: {reason_of(error)}; make it as the page "
            "about cohorts says"
        ) from error
    if not is_ours or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(
            f"the certificate {printable(file)} must be a file that you own and nobody else can read: "
            "delete it and make another one"
        )
    if b"PRIVATE KEY" not in text or b"BEGIN CERTIFICATE" not in text:
        raise ValueError(
            f"{printable(file)} holds no certificate with its key: expected a file in PEM format with both"
        )
    roles = [f"tls_{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key")]
    return Security(require_encryption=True, **dict.fromkeys(["tls_ca_file", *roles], str(file)))


def _make(file: Path) -> None:
    made = Security.temporary()
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(f"{made.tls_client_cert}{made.tls_client_key}")
    except OSError as error:
        raise ValueError(
            f"the certificate {printable(file)} cannot be written: {reason_of(error)}"
        ) from error
