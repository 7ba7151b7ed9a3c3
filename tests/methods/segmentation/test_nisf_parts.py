"""The equations of NISF: layers, loss, coordinates, poses."""

from math import cos, exp

import numpy as np
import pytest
import torch

from sanum.methods.segmentation.nisf.coordinates import middles_of, points_at, time_at, times_of, to_unit
from sanum.methods.segmentation.nisf.latent import LatentConfig, Seen, fit_latent
from sanum.methods.segmentation.nisf.loss import latent_size, reconstruction, segmentation, weight_size
from sanum.methods.segmentation.nisf.model import Nisf, gabor
from sanum.methods.segmentation.nisf.poses import PoseConfig, PoseParams, apply_pose, draw_pose
from sanum.space.grid import Grid


def test_a_gabor_wavelet_is_what_its_equation_says():
    value = gabor(torch.tensor([[0.3, -0.7]]), 5.0, 2.0)
    assert value.item() == pytest.approx(cos(5 * 0.3) * exp(-((2 * 0.7) ** 2)))


def test_its_gradient_is_that_of_finite_differences():
    linear = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda x: gabor(x, 3.0, 0.5), linear.requires_grad_())


@pytest.mark.parametrize("kind", ["gabor", "siren", "relu"])
def test_the_network_is_that_of_concatenated_inputs_with_skips(kind):
    """Slowly: (c, h) side by side, and each layer's input added to its result; the first adds the latent."""
    torch.manual_seed(0)
    net = Nisf(1, 4, width=8, depth=3, kind=kind, w0=3.0, s0=0.5)
    points, latents = torch.randn(2, 5, 5), torch.randn(2, 8)
    intensity, classes = net(points, latents)
    for b in range(2):
        for n in range(5):
            x = net.first(torch.cat([points[b, n], latents[b]])) + latents[b]
            for layer in net.hidden:
                x = layer(x) + x
            out = net.heads(x)
            torch.testing.assert_close(out, torch.cat([intensity[b, n][None], classes[b, n]]))


def test_a_latent_learns_so_many_times_faster():
    net = Nisf(3, 2, width=8, depth=2, gain=10.0)
    before = net.latents_of(torch.tensor([1])).detach().clone()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.latents_of(torch.tensor([1])).sum().backward()
    optimizer.step()
    moved = net.latents_of(torch.tensor([1])).detach() - before
    torch.testing.assert_close(moved, torch.full_like(moved, -1e-2), atol=1e-5, rtol=1e-3)


def test_the_loss_by_hand():
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
    labels = torch.tensor([[0, 1, -1]])
    p = logits[0, :2].softmax(-1).double()
    y = torch.eye(2, dtype=torch.float64)
    bce = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    dice = (2 * (p * y).sum(0) + 1) / (p.sum(0) + y.sum(0) + 1)
    found = segmentation(logits, labels)
    assert found[0].item() == pytest.approx(bce.item(), rel=1e-5)
    assert found[1].item() == pytest.approx((1 - dice).mean().item(), rel=1e-5)
    assert latent_size(torch.tensor([[1.0, 3.0]])).item() == 5
    assert reconstruction(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]])).item() == pytest.approx(np.log(2))


def test_a_class_that_the_batch_lacks_has_no_dice():
    logits = torch.tensor([[[9.0, -9.0, -9.0]] * 4])
    assert segmentation(logits, torch.zeros(1, 4, dtype=torch.int64))[1].item() < 1e-3
    nothing = segmentation(logits, torch.full((1, 4), -1))
    assert [x.item() for x in nothing] == [0, 0]


def test_the_decay_is_a_sum_over_the_weights_and_not_over_the_latents():
    net = Nisf(5, 2, width=4, depth=1)
    for p in net.parameters():
        p.data.fill_(1)
    count = sum(p.numel() for name, p in net.named_parameters() if name != "latents.weight")
    assert weight_size(net).item() == count


def test_coordinates_are_minus_one_and_one_at_the_edges_of_any_stack():
    affine = np.array([[0, 2.0, 0, 5], [-3, 0, 0, 6], [0, 0, 8, 7], [0, 0, 0, 1]])
    frame = Grid((10, 20, 4), affine)
    corners = [[-0.5, -0.5, -0.5], [9.5, 19.5, 3.5], [4.5, 9.5, 1.5]]
    world = np.array(corners) @ affine[:3, :3].T + affine[:3, 3]
    found = points_at(world, to_unit(frame), time_at(None))
    np.testing.assert_allclose(found[:, :3], [[-1] * 3, [1] * 3, [0] * 3], atol=1e-6)
    below = points_at([affine[:3, :3] @ [4.5, 9.5, -4.5] + affine[:3, 3]], to_unit(frame), time_at(None))
    assert below[0, 2].item() == pytest.approx(-3)
    np.testing.assert_allclose(middles_of(4), [-0.75, -0.25, 0.25, 0.75])


def test_time_is_a_circle():
    np.testing.assert_allclose(time_at(0.25), [0, 1], atol=1e-12)
    np.testing.assert_allclose(time_at(0.0), time_at(1.0), atol=1e-12)
    np.testing.assert_allclose(times_of(2), [[0, 1], [0, -1]], atol=1e-12)
    assert times_of(1).tolist() == [[0, 0]]
    assert time_at(None).tolist() == [0, 0]


def test_a_half_stack_in_the_frame_of_the_whole_has_its_coordinates():
    whole = Grid((4, 4, 6), np.diag([1.0, 1, 8, 1]))
    half = np.diag([1.0, 1, 16, 1])
    places = np.array([[1, 2, k] for k in range(3)])
    there = points_at(places, to_unit(whole) @ half, time_at(None))
    own = points_at(places * [1, 1, 2], to_unit(whole) @ whole.affine, time_at(None))
    torch.testing.assert_close(there, own)


def test_a_pose_by_hand_and_one_that_changes_nothing():
    points = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5]])
    same = PoseParams((1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 0), (0,) * 12, (0,) * 12, (0,) * 4, 1.0)
    torch.testing.assert_close(apply_pose(points, same), points)
    turned = PoseParams((0, -1, 0, 1, 0, 0, 0, 0, 1), (1, 0, 0), (0,) * 12, (0,) * 12, (0,) * 4, 1.0)
    torch.testing.assert_close(apply_pose(points, turned), torch.tensor([[0.8, 0.1, 0.3, 0.4, 0.5]]))
    config = PoseConfig()
    again = [draw_pose(np.random.default_rng(3), config) for _ in range(2)]
    assert again[0] == again[1]
    with pytest.raises(ValueError, match=r"poses\.copies must be at least 1, got 0"):
        PoseConfig(copies=0)


def test_a_bend_is_the_sum_of_its_waves():
    pose = PoseParams(
        (1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 0), (0, 0, 0.5) + (0,) * 9, (2, 0, 0) + (0,) * 9, (0.3,) * 4, 1.0
    )
    moved = apply_pose(torch.tensor([[0.7, 0.0, 0.0, 0.0, 0.0]]), pose)
    assert moved[0, 2].item() == pytest.approx(0.5 * np.sin(2 * 0.7 + 0.3), rel=1e-5)


@pytest.mark.parametrize("too", [False, True])
def test_a_fit_changes_the_image_error_and_not_the_model(too):
    torch.manual_seed(0)
    net = Nisf(2, 3, width=16, depth=2, w0=3.0, s0=0.5)
    before = {name: x.clone() for name, x in net.state_dict().items()}
    points = torch.rand(200, 5) * 2 - 1
    seen = Seen(points, (points[:, 0] > 0).float())
    config = LatentConfig(learning_rate=5e-2, points=200, weights_too=too, weights_rate=1e-2)

    def error(made, latent):
        return reconstruction(made(points[None], latent)[0], seen.image[None]).item()

    few, many = (error(*fit_latent(net, seen, config, steps)) for steps in (0, 40))
    assert many < few
    assert all(torch.equal(x, before[name]) for name, x in net.state_dict().items())
    one, other = (fit_latent(net, seen, config, 5)[1] for _ in range(2))
    assert torch.equal(one, other)
