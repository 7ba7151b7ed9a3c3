"""Speed of the fluid beside plain PyTorch, in one run: updates, fields, whole transports, memory, scaling.

Medians; prints Markdown tables. The published code is not run here: its numbers are quoted from the issue
(one update 258 ms, all fields 15.8 s, fields and transport 78 s at 160³ on two cores).
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numba
import numpy as np
import torch

from sanum.fluid import border_ramp, draw_flow, ellipsoid_shape, transport
from sanum.fluid.backend import NumpyBackend, TorchBackend, TritonBackend
from sanum.fluid.flow import Flow

PEAK_SPEED, DURATION = 11.0, 0.5


def median_ms(job: Callable[[], object], repeats: int) -> float:
    """Median time of a job in milliseconds, after one call to warm up."""
    job()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def brain_like(n: int) -> np.ndarray:
    """Ellipsoid that fills most of n³ voxels."""
    x = np.linspace(-1, 1, n)
    return (x[:, None, None] / 0.8) ** 2 + (x[:, None] / 0.95) ** 2 + (x / 0.8) ** 2 < 1


def lesion(domain: np.ndarray, ml: float) -> np.ndarray:
    """Ball of `ml` millilitres of 1 mm voxels beside the domain's middle."""
    radius = (3 * ml * 1000 / (4 * np.pi)) ** (1 / 3)
    n = domain.shape[0]
    return ellipsoid_shape(domain, centre_vox=(0.62 * n, n / 2, n / 2), radii_vox=(radius,) * 3)


def drawn(domain: np.ndarray) -> Flow:
    return draw_flow(domain, rng=0, peak_speed=PEAK_SPEED, diffusion_length=2.0)


def updates(n: int, repeats: int) -> None:
    """One update of every voxel by each kernel and by the oracle."""
    domain = np.ones((n, n, n), bool)
    flow = drawn(domain)
    p = np.random.default_rng(0).random((1, n, n, n), dtype=np.float32)
    out, there = np.empty_like(p), flow.to("cpu")
    fields = (domain, flow.velocity, flow.diffusivity, flow.spacing_mm)
    plain = (torch.from_numpy(domain), there.velocity, there.diffusivity, flow.spacing_mm)
    tensor = torch.from_numpy(p)
    print(f"\n| one update at {n}³ float32 | fused, ms | plain PyTorch, ms | ratio | GB/s of 8 fields |")
    print("|---|---|---|---|---|")
    for scheme in ("upwind", "muscl"):
        fused = median_ms(
            lambda s=scheme: NumpyBackend().stage(p, p, 0.0, 1.0, *fields, 0.01, s, out), repeats
        )
        oracle = median_ms(
            lambda s=scheme: TorchBackend().stage(tensor, tensor, 0.0, 1.0, *plain, 0.01, s, None),
            max(3, repeats // 5),
        )
        print(
            f"| {scheme} | {fused:.1f} | {oracle:.0f} | {oracle / fused:.0f} "
            f"| {8 * 4 * n**3 / fused / 1e6:.1f} |"
        )
    first, second = np.ones(n**3, np.float32), np.zeros(n**3, np.float32)
    copy = median_ms(lambda: np.copyto(second, first), repeats)
    print(f"\ncopy of one field, one thread: {copy:.1f} ms, {2 * 4 * n**3 / copy / 1e6:.1f} GB/s")


def whole(n: int, repeats: int) -> None:
    """Fields, and fields with transport, of a large and a small lesion."""
    domain = brain_like(n)
    ramp = border_ramp(domain, (1.0, 1.0, 1.0))
    print(f"\n| at {n}³ | ms |\n|---|---|")
    once = median_ms(lambda: border_ramp(domain, (1.0, 1.0, 1.0)), repeats)
    print(f"| border ramp, once for an anatomy | {once:.0f} |")
    fields = median_ms(lambda: draw_flow(domain, rng=0, peak_speed=PEAK_SPEED, ramp=ramp), repeats)
    print(f"| all fields | {fields:.0f} |")
    print(f"| all fields and the ramp | {fields + once:.0f} |")
    flow = drawn(domain)
    peaks = median_ms(lambda: replace(flow).peaks, repeats)
    print(f"| largest speeds, once for a flow | {peaks:.0f} |")
    for scheme, integrator in (("upwind", "euler"), ("upwind", "ssp3"), ("muscl", "ssp3")):
        cost = []
        for ml in (20.0, 1.0):
            p0 = lesion(domain, ml)
            options = {"duration": DURATION, "scheme": scheme, "integrator": integrator}
            cost.append(median_ms(lambda p0=p0, o=options: transport(p0, flow, **o), repeats))
            steps = transport(p0, flow, **options).steps
            print(f"| transport of {ml:.0f} mL, {scheme}, {integrator}, {steps} steps | {cost[-1]:.0f} |")
        print(f"| fields and transport of 20 mL, {scheme}, {integrator} | {fields + peaks + cost[0]:.0f} |")
        print(f"| ratio of 20 mL to 1 mL, {scheme}, {integrator} | {cost[0] / cost[1]:.1f} |")
    p0 = lesion(domain, 20.0)
    tracemalloc.start()
    transport(p0, flow, duration=DURATION)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"| peak extra memory of a transport, in fields of float32 | {peak / (4 * n**3):.1f} |")


def scaling(sizes: list[int], repeats: int) -> None:
    """One fused update and all fields by size and threads."""
    threads = sorted({1, numba.config.NUMBA_NUM_THREADS})
    print("\n| size | threads | upwind, ms | muscl, ms | all fields, ms |\n|---|---|---|---|---|")
    for n in sizes:
        for count in threads:
            numba.set_num_threads(count)
            print(f"| {n}³ | {count} | {' | '.join(f'{ms:.1f}' for ms in times(n, repeats))} |", flush=True)
    numba.set_num_threads(threads[-1])


def times(n: int, repeats: int) -> list[float]:
    """Milliseconds of an upwind update, of a muscl update, and of all fields, at n³."""
    domain = brain_like(n)
    ramp = border_ramp(domain, (1.0, 1.0, 1.0))
    flow = drawn(domain)
    p = np.random.default_rng(0).random((1, n, n, n), dtype=np.float32)
    out, backend = np.empty_like(p), NumpyBackend()
    fields = (domain, flow.velocity, flow.diffusivity, flow.spacing_mm)
    return [
        *(
            median_ms(lambda s=s: backend.stage(p, p, 0.0, 1.0, *fields, 0.01, s, out), repeats)
            for s in ("upwind", "muscl")
        ),
        median_ms(lambda: draw_flow(domain, rng=0, ramp=ramp), max(3, repeats // 3)),
    ]


def on_gpu(n: int, repeats: int) -> None:
    """Batches on an NVIDIA GPU: updates of every voxel, their share of the bandwidth, whole transports."""
    if not torch.cuda.is_available():
        print("\nno NVIDIA GPU here: its kernels were not timed")
        return
    device = torch.device("cuda")

    def timed(job: Callable[[], object]) -> float:
        def whole() -> None:
            job()
            torch.cuda.synchronize()

        return median_ms(whole, repeats)

    domain = brain_like(n)
    flow = drawn(domain)
    there = flow.to(device)
    p0 = torch.from_numpy(lesion(domain, 20)).to(device)
    source = torch.ones(2**28, device=device)
    target = torch.empty_like(source)
    copied = 8 * 2**28 / timed(lambda: target.copy_(source)) / 1e6
    print(f"\n{torch.cuda.get_device_name(device)}, {n}³ float32; a copy moves {copied:.0f} GB/s")
    print(
        "| batch | upwind, ms a shape | share of a copy's GB/s | muscl, ms a shape | 20 mL, euler, shapes/s |"
    )
    print("|---|---|---|---|---|")
    fields = (there.domain, there.velocity, there.diffusivity, there.spacing_mm)
    backend = TritonBackend()
    for batch in (1, 4, 16):
        p = torch.rand(batch, n, n, n, device=device)
        out = torch.empty_like(p)
        each = [
            timed(lambda s=s: backend.stage(p, p, 0.0, 1.0, *fields, 0.01, s, out)) / batch  # noqa: B023
            for s in ("upwind", "muscl")
        ]
        moved = 4 * n**3 * (2 + 6 / batch) / each[0] / 1e6  # P in and out, and six fields for all
        starts = p0.expand(batch, -1, -1, -1).contiguous()
        way = timed(lambda: transport(starts, there, duration=DURATION, integrator="euler"))  # noqa: B023
        print(
            f"| {batch} | {each[0]:.3f} | {moved / copied:.0%} | {each[1]:.3f} | {1000 * batch / way:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 96, 128, 160, 192, 256])
    options = parser.parse_args()
    torch.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    updates(options.size, options.repeats)
    whole(options.size, options.repeats)
    scaling(options.sizes, options.repeats)
    on_gpu(options.size, options.repeats)


if __name__ == "__main__":
    main()
