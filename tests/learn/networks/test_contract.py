"""What every network of covseg keeps to, whatever it is made of."""

import io

import pytest
import torch


@pytest.fixture
def network(make_network):
    torch.manual_seed(0)
    return make_network(2)


def images(network, n: int = 2, height: int = 2, width: int = 3) -> torch.Tensor:
    size = height * network.size_multiple, width * network.size_multiple
    return torch.rand(n, 1, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("targets", [1, 2, 5])
def test_logits_have_the_size_of_the_image_and_a_channel_for_each_target(make_network, targets):
    network = make_network(targets).eval()
    for height, width in ((1, 1), (1, 3), (2, 1)):
        image = images(network, 3, height, width)
        assert network(image).shape == (3, targets, *image.shape[-2:])


def test_gradients_reach_every_parameter(network):
    network(images(network)).square().mean().backward()
    dead = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert dead == []


def test_the_logits_of_an_image_do_not_depend_on_its_batch(network):
    batch = images(network, 4)
    network(batch)  # norms have statistics of their own now
    network.eval()
    with torch.no_grad():
        together = network(batch)
        alone = torch.cat([network(image[None]) for image in batch])
        elsewhere = network(torch.cat([batch[:1], 9 * batch[1:]]))
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[:1], elsewhere[:1], atol=1e-4, rtol=1e-4)


def test_channels_last_computes_the_same(network):
    network, batch = network.eval(), images(network)
    with torch.no_grad():
        contiguous = network(batch)
        network.to(memory_format=torch.channels_last)
        other = network(batch.to(memory_format=torch.channels_last))
    torch.testing.assert_close(contiguous, other, atol=1e-4, rtol=1e-4)


def test_weights_are_saved_and_loaded_as_plain_tensors(network, make_network):
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    torch.manual_seed(7)
    again = make_network(2)
    again.load_state_dict(torch.load(file, weights_only=True))
    batch = images(network)
    with torch.no_grad():
        assert torch.equal(network.eval()(batch), again.eval()(batch))


def test_compiling_keeps_the_names_of_the_weights(network):
    names = list(network.state_dict())
    network.compile()
    assert list(network.state_dict()) == names


def test_it_can_be_exported_with_any_batch(network):
    network, batch = network.eval(), images(network, 3, 1, 1)
    shapes = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(network, (batch,), dynamic_shapes=(shapes,)).module()
    for n in (1, 5):
        other = images(network, n, 1, 1)
        with torch.no_grad():
            torch.testing.assert_close(program(other), network(other), atol=1e-4, rtol=1e-4)


def test_a_half_of_the_range_computes_nearly_the_same(network):
    """bf16 in autocast, as ``trainer.precision=bf16-mixed`` runs it."""
    network, batch = network.eval(), images(network)
    with torch.no_grad():
        whole = network(batch)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(batch).float()
    assert (whole - half).abs().max() < 0.05 * (1 + whole.abs().max())
