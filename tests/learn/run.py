"""Trainings in processes of their own, which tests share out and kill: `python run.py shared|killed FOLDER`.

Each is forked from this one, which imports everything once, and ends with it.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.utils.tensorboard  # imported once, before forking
from lightning_fabric import Fabric  # noqa: F401
from torch import nn

from sanum.learn.devices import open_devices, share, share_size
from sanum.learn.loop import Run, fit
from sanum.learn.schedule import LoopConfig
from sanum.learn.turns import Turn
from sanum.nets.compact_unet import CompactUNet

SHARED = LoopConfig(steps=6, warmup=2, save_every=100)
KILLED = LoopConfig(steps=80, warmup=10, save_every=2)
HEAVY = 2_000_000
BATCH = 4
LIMIT_S = 300
FORK = multiprocessing.get_context("fork")


class Net(nn.Module):
    """A tiny U-Net; in `heavy`, much that is only saved, so that saving takes a while."""

    def __init__(self, heavy=0):
        super().__init__()
        self.net = CompactUNet(1, 1, 1, (8, 8), coarse_level=0)
        self.register_buffer("heavy", torch.zeros(heavy))

    def forward(self, x):
        fine, coarse = self.net(x)
        return fine + nn.functional.interpolate(coarse, size=fine.shape[2:])


class Gan(nn.Module):
    """Two tiny networks, each with an optimizer of its own."""

    def __init__(self):
        super().__init__()
        self.generator, self.critic = nn.Conv3d(1, 1, 3, padding=1), nn.Conv3d(1, 1, 3)

    def critic_loss(self, batch):
        fake = self.critic(self.generator(batch["x"]).detach())
        return (self.critic(batch["y"]) - 1).square().mean() + fake.square().mean(), {}

    def generator_loss(self, batch):
        return (self.critic(self.generator(batch["x"])) - 1).square().mean(), {}


GAN = [
    Turn(Gan.critic_loss, "critic", modules=("critic",), repeats=2),
    Turn(Gan.generator_loss, "generator", modules=("generator",)),
]


def item(n):
    x = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(n))
    return {"x": x, "y": x.roll(1, 1) + 0.5}


def loss(net, batch):
    error = (net(batch["x"]) - batch["y"]).square().mean(dim=(1, 2, 3, 4))
    return error.mean(), {"last": error[-1].detach()}


def train(folder, config, heavy=0, resume=False, gan=False):
    torch.set_num_threads(1)
    fabric = open_devices("cpu", precision="32")
    fabric.launch()
    torch.manual_seed(0)
    parts, world = config.accumulate, fabric.world_size
    share_size(BATCH, parts, world)

    def batches(start):
        step = start
        while True:
            for part in range(parts):
                numbers = share(
                    step, batch=BATCH, part=part, parts=parts, rank=fabric.global_rank, world=world
                )
                items = [item(n) for n in numbers]
                yield {k: torch.stack([i[k] for i in items]) for k in items[0]}
            step += 1

    net, turns = (Gan(), GAN) if gan else (Net(heavy), [Turn(loss)])
    return fit(fabric, net, turns, batches, config, Run(folder, resume=resume))


def as_torchrun_would(rank, world, port, folder, config):
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "GROUP_WORLD_SIZE": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    average = train(folder, config, gan=folder.name.startswith("gan"))
    torch.save(average, folder / f"average-{rank}.pt")


def shared(folder):
    """The same training by one process, by two, and in two parts by one; a GAN by one and by two."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runs = [
        FORK.Process(target=as_torchrun_would, args=args, daemon=True)
        for args in (
            (0, 1, port, folder / "one", SHARED),
            (0, 1, port, folder / "parts", replace(SHARED, accumulate=2)),
            (0, 2, port, folder / "two", SHARED),
            (1, 2, port, folder / "two", SHARED),
            (0, 1, port, folder / "gan-one", SHARED),
            (0, 2, port, folder / "gan-two", SHARED),
            (1, 2, port, folder / "gan-two", SHARED),
        )
    ]
    begin_and_wait(runs[:1])
    begin_and_wait(runs[1:2])
    begin_and_wait(runs[2:4])
    begin_and_wait(runs[4:5])
    begin_and_wait(runs[5:])


def begin_and_wait(processes):
    end = time.monotonic() + LIMIT_S
    for p in processes:
        p.start()
    try:
        for p in processes:
            p.join(max(0.0, end - time.monotonic()))
            if p.exitcode != 0:
                raise SystemExit(f"a training left with {p.exitcode}")
    finally:
        for p in processes:
            p.kill()


def killed(folder):
    """Kill a training again and again, anywhere and while it saves; then let it finish, and another."""
    rng = np.random.default_rng(3)
    run, told = folder / "killed", []
    for while_saving in (False, True, True, False, True, False):
        resume = (run / "checkpoint.pt").exists()
        process = FORK.Process(target=train, args=(run, KILLED, HEAVY, resume), daemon=True)
        enough, end = steps_in(run) + rng.integers(2, 10), time.monotonic() + LIMIT_S
        process.start()
        while steps_in(run) < enough and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        while while_saving and not saving(run) and process.is_alive() and time.monotonic() < end:
            pass
        process.kill()
        process.join()
        state = (
            torch.load(run / "checkpoint.pt", weights_only=True) if (run / "checkpoint.pt").exists() else {}
        )
        told.append(
            {
                "killed": process.exitcode == -signal.SIGKILL,
                "while saving": saving(run),
                "resumed": resume,
                "steps": steps_in(run),
                "saved": state.get("step", 0),
            }
        )
    finished = [
        FORK.Process(target=train, args=args, daemon=True)
        for args in ((run, KILLED, HEAVY, True), (folder / "unbroken", KILLED, HEAVY))
    ]
    begin_and_wait(finished)
    sys.stdout.write(json.dumps(told) + "\n")


def saving(run):
    return bool(list(run.glob(".sanum-*.pt")))


def steps_in(run):
    log = run / "log.csv"
    return max(0, log.read_bytes().count(b"\n") - 1) if log.exists() else 0


if __name__ == "__main__":
    {"shared": shared, "killed": killed}[sys.argv[1]](Path(sys.argv[2]))
