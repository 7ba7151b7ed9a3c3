"""The same on many processes or machines, by Dask (extra `cluster`)."""

import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from pydoc import locate
from typing import TYPE_CHECKING, Any

from .. import __version__
from .inputs import Item
from .outcome import ItemOutcome, RunSettings
from .steps import remember_outcome
from .worker import ClusterError, Load, do_in_worker, in_short

if TYPE_CHECKING:
    from distributed import Client, Future, Security, SpecCluster

ANSWERS_S = 10.0
"""A scheduler that is there answers in less."""

LOOK_EVERY_S = 1.0
"""How often workers are counted."""

NOTED_AFTER_S, NOTED_EVERY_S = 5.0, 60.0
"""How long there may be no worker before the log says so, and how often it says it again."""

PATIENCE_S = 24 * 3600.0
"""How long there may be no worker before the run gives up."""

_VERSION = "sanum.__version__"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SchedulerAt:
    """A scheduler that runs already.

    Parameters
    ----------
    address : str
        Such as "tls://head-node:8786".
    certificate : Path, optional
        By which it knows its owner; see `private`. Default: what Dask's own settings say.
    """

    address: str
    certificate: Path | None = None


def run_on_dask(
    items: list[Item],
    output: Path,
    load: Load,
    how: tuple[Hashable, ...],
    settings: RunSettings,
    *,
    scheduler: str | SchedulerAt | None = None,
    workers: int = 2,
    patience_s: float = PATIENCE_S,
) -> Generator[ItemOutcome]:
    """Outcome of each item as it ends, done by the workers of a Dask scheduler as `run` does it here.

    An item whose worker is lost goes to another one, three times at most. Workers are waited for, which may
    take hours where they queue; the log says so. Nothing is loaded in this process.

    Parameters
    ----------
    items : list of Item
        What to do.
    output : Path
        The output folder, the same for all workers.
    load : function
        Called with `how` once in each worker process for the job. All must see the same files.
    how : tuple
        Arguments of `load`.
    settings : RunSettings
        Of the run; memory is that of each worker process.
    scheduler : str or SchedulerAt, optional
        Address of one that runs already, with its certificate if it has one. Without it,
        processes of this machine, which obey this process alone.
    workers : int
        Number of processes of this machine.
    patience_s : float
        Seconds without any worker after which the run gives up.

    Raises
    ------
    ClusterError
        No scheduler answers there, or it does no more; the certificate is not the scheduler's; it or a worker
        has another sanum, or none; a worker cannot load the job; no worker came.
    """
    name = uuid.uuid4().hex
    with ExitStack() as stack:
        client, cluster = _connect(stack, scheduler, workers)

        def revive() -> None:
            """Start again what Dask gives up: a process of this machine that is lost twice in 15 s."""
            if cluster is not None:
                cluster.scale(workers)

        def submit(item: Item) -> "Future[Any]":
            absolute = replace(item, path=Path(os.path.abspath(item.path)))
            return client.submit(
                do_in_worker, absolute, output.absolute(), load, how, settings, name, pure=False
            )

        with closing(_as_they_end(client, items, submit, patience_s, revive)) as ended:
            for item, future in ended:
                outcome = _outcome(item, future, output, settings)
                yield outcome
                if outcome.last:
                    return


def _connect(
    stack: ExitStack, scheduler: str | SchedulerAt | None, workers: int
) -> "tuple[Client, SpecCluster | None]":
    """Client of a scheduler or, where none is given, of a cluster of this machine, given too."""
    from distributed import Client

    from .private_dask import private_cluster, read_certificate

    if scheduler is None:
        cluster = stack.enter_context(private_cluster(workers))
        return stack.enter_context(Client(cluster)), cluster
    there = SchedulerAt(scheduler) if isinstance(scheduler, str) else scheduler
    address = there.address
    try:
        security = None if there.certificate is None else read_certificate(there.certificate)
    except ValueError as error:
        raise ClusterError(str(error)) from error
    client = stack.enter_context(_client(address, security))
    if not address.startswith("tls://"):
        _log.warning(
            "the Dask scheduler at %s obeys everybody who reaches it: where others share the machine or the "
            "network, start it with a certificate (see the page about cohorts)",
            address,
        )
    _check(f"scheduler at {address}", client.run_on_scheduler(locate, _VERSION))
    return client, None


def _client(address: str, security: "Security | None") -> "Client":
    from distributed import Client

    if security is not None and not address.startswith("tls://"):
        raise ClusterError(
            f"the Dask scheduler at {address} is given with a certificate: expected an address that starts "
            "with tls://"
        )
    try:
        return Client(address, timeout=ANSWERS_S, security=security)
    except TypeError as error:  # Dask's words for no certificate at all
        raise ClusterError(
            f"the Dask scheduler at {address} asks for a certificate: give its file with --certificate"
        ) from error
    except (OSError, ValueError) as error:
        check = "the address and the certificate" if address.startswith("tls://") else "the address"
        raise ClusterError(f"no Dask scheduler answers at {address}: check {check}") from error


def _as_they_end(
    client: "Client",
    items: Iterable[Item],
    submit: "Callable[[Item], Future[Any]]",
    patience_s: float,
    revive: Callable[[], None],
) -> "Generator[tuple[Item, Future[Any]]]":
    """Submit as many items as there are threads of workers, and yield them as they end.

    No more, for Dask would blame a worker's loss on what waits there as well, and give that up after four.
    While there are no workers, the log says so, and in the end the run gives up.
    """
    from distributed import as_completed
    from distributed.client import ClosedClientError

    left, futures, ended = deque(items), dict["Future[Any]", Item](), as_completed(loop=client.loop)
    workers, threads = _Workers(client), 0
    look = had_workers = time.monotonic()
    note = had_workers + NOTED_AFTER_S
    try:
        while left or futures:
            now = time.monotonic()
            if now >= look:
                threads, look = workers.threads(), now + LOOK_EVERY_S
                revive()
            if threads:
                had_workers, note = now, now + NOTED_AFTER_S
            elif now - had_workers >= patience_s:
                raise ClusterError(
                    f"the Dask scheduler had no workers for {_duration(patience_s)}: see the logs of their "
                    "jobs, start them and run the same again, which does what is not finished"
                )
            elif now >= note:
                _log.warning(
                    "waiting for workers: the Dask scheduler has none at the moment; if their jobs "
                    "have ended, the logs of these say why"
                )
                note = now + NOTED_EVERY_S
            while left and len(futures) < threads:
                future = submit(left[0])
                futures[future] = left.popleft()
                ended.add(future)
            if ended.has_ready():
                future = next(ended)
                yield futures.pop(future), future
            else:
                time.sleep(0.02)
    finally:
        with suppress(OSError, ClosedClientError):  # the scheduler is gone, or was given up by the client
            client.cancel(list(futures))


class _Workers:
    """The workers of a scheduler; new ones are asked for their version, and nobody waits for their answer."""

    def __init__(self, client: "Client") -> None:
        self.client, self.known = client, set[str]()
        self.asked = dict[str, "Future[Any]"]()

    def threads(self) -> int:
        """How many threads the known workers have."""
        try:
            there = self.client.scheduler_info(n_workers=-1).get("workers")
            if there is None:
                raise _lost()
            for address in there.keys() - self.known - self.asked.keys():
                self.asked[address] = self.client.submit(locate, _VERSION, workers=[address], pure=False)
        except OSError as error:
            raise _lost() from error
        for address, answer in list(self.asked.items()):
            if answer.done():
                self._hear(address, self.asked.pop(address))
            elif address not in there:
                self.asked.pop(address).cancel()
        self.known &= there.keys()
        return sum(there[address]["nthreads"] for address in self.known)

    def _hear(self, address: str, answer: "Future[Any]") -> None:
        if answer.cancelled():  # it was lost meanwhile
            return
        error = answer.exception()
        _check(f"worker at {address}", error or answer.result())
        self.known.add(address)


def _check(who: str, found: object) -> None:
    """Refuse a worker without sanum, which would die of what it is sent, or with another one."""
    if found is None or (isinstance(found, str) and found != __version__):
        raise ClusterError(
            f"the {who} has {f'sanum {found}' if found else 'no sanum'}: expected sanum {__version__}; start "
            "scheduler and workers where that is installed"
        )


def _lost() -> ClusterError:
    return ClusterError(
        "the Dask scheduler was lost: start it and run the same again, which does what is not finished"
    )


def _outcome(item: Item, future: "Future[Any]", output: Path, settings: RunSettings) -> ItemOutcome:
    """What a worker says of an item, or what is known without it."""
    from distributed import KilledWorker

    try:
        outcome: ItemOutcome = future.result()
        return replace(outcome, item=item)
    except ClusterError:
        raise
    except CancelledError as error:
        raise _lost() from error
    except KilledWorker:
        reason = (
            f"{item.path.name} ended every worker that had it, perhaps for want of memory: "
            "give workers more, or take fewer on a machine"
        )
    except Exception as error:  # noqa: BLE001 whatever a worker raises; it is told
        reason = (
            f"{item.path.name} could not be given to a worker: {in_short(error.__cause__ or error)}; please "
            "report this"
        )
    outcome = ItemOutcome(item, "failed", reason=reason)
    remember_outcome(outcome, output, settings)
    return outcome


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{seconds:.0f} s"
