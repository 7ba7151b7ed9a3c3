"""Whether processes of Dask obey their owner alone: real ones, on this machine."""

import asyncio
import os
import socket
import ssl
import stat

import psutil
import pytest

pytest.importorskip("distributed")
pytest.importorskip("cryptography")

from distributed import Client, Security
from distributed.core import connect

from sanum.cohort import ClusterError
from sanum.cohort.cluster import _client
from sanum.cohort.private_dask import private, private_cluster, read_certificate

pytestmark = pytest.mark.timeout(300)


def ports(process):
    """Addresses on which a process and its children listen."""
    return {
        one.laddr
        for each in (process, *process.children(recursive=True))
        for one in each.net_connections()
        if one.status == psutil.CONN_LISTEN
    }


def greets(address, words=b""):
    """What a port says to a stranger, or to one who speaks HTTP."""
    with socket.create_connection(address, timeout=5) as there:
        there.sendall(words)
        there.settimeout(2)
        try:
            return there.recv(1000)
        except (TimeoutError, ConnectionError):
            return b""


async def asks(address, security):
    """Ask a node of Dask who it is."""
    arguments = security.get_connection_args("client") if security else {}
    comm = await connect(address, timeout=3, **arguments)
    try:
        await comm.write({"op": "identity", "reply": True})
        return await asyncio.wait_for(comm.read(), 3)
    finally:
        comm.abort()


@pytest.fixture(scope="module")
def running():
    me = psutil.Process()
    before = ports(me)
    with private_cluster(1) as cluster, Client(cluster) as client:
        [worker] = client.scheduler_info()["workers"].values()
        yield cluster, worker, ports(me) - before, client.submit(os.getpid).result(timeout=60)


def test_the_owner_s_work_is_done_by_another_process(running):
    assert running[3] != os.getpid()


def test_strangers_are_refused_by_scheduler_nanny_and_worker(running):
    """With no certificate, and with another one that was made in the same way."""
    cluster, worker, *_ = running
    for address in (cluster.scheduler_address, worker["nanny"], *running[0].scheduler.workers):
        assert address.startswith("tls://127.0.0.1:")
        own = asyncio.run(asks(address, cluster.security))
        assert own["id"]
        for security in (Security.temporary(), None):
            with pytest.raises((OSError, ssl.SSLError, TypeError)):
                asyncio.run(asks(address, security))
        with pytest.raises((OSError, ssl.SSLError)):
            asyncio.run(asks(address.replace("tls://", "tcp://"), None))


def test_nothing_listens_but_what_asks_for_a_certificate(running):
    """Three ports, none of them beyond this machine, and none speaks HTTP."""
    *_, found, _ = running
    assert len(found) == 3  # scheduler, nanny, worker
    for address in found:
        assert address.ip == "127.0.0.1"
        assert not greets(address, b"GET /status HTTP/1.0\r\n\r\n").startswith(b"HTTP")


def test_a_certificate_is_its_owner_s(tmp_path):
    """Made once, read by all who are the owner, and refused when others could have read it."""
    file = tmp_path / "dask.pem"
    made = private(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["dask.pem"]
    text = file.read_text()
    assert private(file)["security"].tls_worker_cert == str(file)
    assert file.read_text() == text
    assert made["protocol"] == "tls://"
    assert made["security"].require_encryption
    assert str(file) in repr(made["security"])
    made["security"].get_listen_args("scheduler")  # OpenSSL takes it
    file.chmod(0o640)
    with pytest.raises(ValueError, match="must be a file that you own and nobody else can read"):
        read_certificate(file)


def test_no_link_is_taken_for_a_certificate(tmp_path):
    (tmp_path / "dask.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"the certificate \S+dask.pem cannot be read"):
        private(tmp_path / "dask.pem")
    assert not (tmp_path / "elsewhere").exists()
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ValueError, match="must be a file that you own"):
        read_certificate(tmp_path / "fifo")
    (tmp_path / "words").write_text("none")
    (tmp_path / "words").chmod(0o600)
    with pytest.raises(ValueError, match="holds no certificate with its key"):
        read_certificate(tmp_path / "words")


@pytest.mark.full
def test_a_scheduler_that_asks_for_a_certificate_is_told_apart(running, tmp_path):
    address = running[0].scheduler_address
    with pytest.raises(ClusterError, match="asks for a certificate: give its file with --certificate"):
        _client(address, None)
    with pytest.raises(ClusterError, match="expected an address that starts with tls://"):
        _client(address.replace("tls", "tcp"), private(tmp_path / "dask.pem")["security"])
