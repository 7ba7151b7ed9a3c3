"""Pictures of the fluid on the ICBM152 brain (comes with nilearn): `python docs/make_fluid_pictures.py`."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from sanum.fluid import Flow, draw_flow, ellipsoid_shape, trajectory, transport

IMAGES = Path(__file__).parent / "img"
TIMES = (0.0, 0.25, 0.5, 1.0)
INK, ANOMALY, LINES = "0.15", "magma", "#2a78d6"


def template() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1w, brain and white matter of ICBM152 at 2 mm."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    t1w = np.asarray(load_mni152_template(resolution=2).dataobj, dtype=np.float32)
    brain = np.asarray(load_mni152_brain_mask(resolution=2).dataobj) > 0
    t1w /= np.percentile(t1w[brain], 98)
    white = brain & (t1w > np.percentile(t1w[brain], 62))
    return t1w, brain, ndimage.binary_opening(white)


def cell_velocity(flow: Flow) -> list[np.ndarray]:
    """Velocity at the cells' middles, one array per axis."""
    out = []
    for axis, v in enumerate(flow.velocity):
        faces = np.moveaxis(v, axis, 0)
        out.append(np.moveaxis((faces[1:] + faces[:-1]) / 2, 0, axis))
    return out


def show(ax: plt.Axes, t1w: np.ndarray, title: str) -> None:
    """Slice in radiological fashion, without ticks."""
    ax.imshow(t1w.T, cmap="gray", origin="lower", vmin=0, vmax=1.1)
    ax.set_title(title, color=INK, fontsize=9)
    ax.set_axis_off()


def growth(t1w: np.ndarray, brain: np.ndarray, white: np.ndarray, k: int) -> None:
    """P over time, in the brain and in white matter alone."""
    figure, axes = plt.subplots(2, len(TIMES), figsize=(9, 5.6), layout="constrained")
    for row, (domain, name) in zip(axes, ((brain, "in the brain"), (white, "in white matter")), strict=True):
        # finer than the published 2 periods per 200 mm, so that the shape changes and not only its place
        flow = draw_flow(domain, rng=4, spacing=(2.0, 2.0, 2.0), peak_speed=40, periods=(7.0, 8.0, 7.0))
        centre = np.argwhere(white[:, :, k] & (np.indices(white.shape[:2])[0] > white.shape[0] * 0.58)).mean(
            0
        )
        p0 = ellipsoid_shape(domain, centre_vox=(*centre, k), radii_vox=(8, 8, 8))
        way = trajectory(p0, flow, times=TIMES, scheme="muscl")
        for ax, time, p in zip(row, way.times, way.p, strict=True):
            show(ax, t1w[:, :, k], f"{name}, t = {time:g}")
            layer = np.ma.masked_less(p[:, :, k].T, 0.03)
            ax.imshow(layer, cmap=ANOMALY, origin="lower", vmin=0, vmax=1, alpha=0.85)
    figure.savefig(IMAGES / "fluid-growth.png", dpi=110)
    plt.close(figure)


def fields(t1w: np.ndarray, brain: np.ndarray, white: np.ndarray, k: int) -> None:
    """Streamlines of V in a plane, Φ², and the flow along a white-matter border."""
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 4), layout="constrained")
    plane = draw_flow(brain[:, :, k], rng=2, spacing=(2.0, 2.0))
    u, v = (x.T for x in cell_velocity(plane))
    show(axes[0], t1w[:, :, k], "streamlines of V in a plane")
    x, y = np.arange(u.shape[1]), np.arange(u.shape[0])
    speed = np.hypot(u, v)
    axes[0].streamplot(x, y, u, v, color=speed, cmap="viridis", density=1.4, linewidth=0.8, arrowsize=0.6)
    solid = draw_flow(brain, rng=2, spacing=(2.0, 2.0, 2.0))
    show(axes[1], t1w[:, :, k], "diffusivity Φ², mm² per time")
    d = np.ma.masked_where(~brain[:, :, k], solid.diffusivity[0][:-1, :, k]).T
    figure.colorbar(axes[1].imshow(d, cmap="viridis", origin="lower"), ax=axes[1], shrink=0.6)
    inner = draw_flow(white[:, :, k], rng=2, spacing=(2.0, 2.0), periods=(6.0, 7.0))
    u, v = (x.T for x in cell_velocity(inner))
    i0, i1, j0, j1 = 50, 78, 36, 70
    show(axes[2], t1w[:, :, k], "flow beside a white-matter border")
    axes[2].contour(white[:, :, k].T, levels=[0.5], colors=LINES, linewidths=1)
    axes[2].quiver(x, y, u, v, color="#c0392b", scale=90, width=0.005)
    axes[2].set_xlim(i0, i1)
    axes[2].set_ylim(j0, j1)
    figure.savefig(IMAGES / "fluid-fields.png", dpi=110)
    plt.close(figure)


def conservation(brain: np.ndarray) -> None:
    """Mass and maximum of P against time."""
    flow = draw_flow(brain, rng=4, spacing=(2.0, 2.0, 2.0), peak_speed=14)
    p0 = ellipsoid_shape(brain, centre_vox=np.argwhere(brain).mean(0), radii_vox=(8, 8, 8))
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for scheme, style in (("upwind", "--"), ("muscl", "-")):
        rows = [(0.0, 0.0, 1.0)]
        total = p0.sum(dtype=np.float64)

        def look(time: float, p: np.ndarray, rows: list = rows, total: float = total) -> None:
            rows.append((time, p.sum(dtype=np.float64) / total - 1, float(p.max())))

        transport(p0, flow, duration=1.0, scheme=scheme, callback=look)
        t, mass, top = np.array(rows).T
        axes[0].plot(t, 1e6 * mass, style, color=INK, label=scheme)
        axes[1].plot(t, top, style, color=INK, label=scheme)
    for ax, name in zip(axes, ("change of mass, parts per million", "maximum of P"), strict=True):
        ax.set_xlabel("time")
        ax.set_title(name, fontsize=9, color=INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8)
    axes[1].set_ylim(0, 1.05)
    figure.savefig(IMAGES / "fluid-conservation.png", dpi=110)
    plt.close(figure)


def main() -> None:
    """Write docs/img/fluid-*.png."""
    IMAGES.mkdir(exist_ok=True)
    t1w, brain, white = template()
    k = int(0.52 * brain.shape[2])
    growth(t1w, brain, white, k)
    fields(t1w, brain, white, k)
    conservation(brain)


if __name__ == "__main__":
    main()
