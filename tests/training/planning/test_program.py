import jax
import pytest
from conftest import tiny_config, train_config

from jaxvae import MLP, DevicesConfig
from jaxvae.training.planning.program import Exchange, find_exchanges, state_shapes, trace_step
from jaxvae.training.sharding import over

CONFIG = tiny_config(model=MLP(hidden=(32,), latent=4), train=train_config(batch_size=48))
SHAPE = (16, 16, 3)


def crossing(count, **choices):
    devices = DevicesConfig(**choices)
    placement = over(jax.devices()[:count], CONFIG, devices)
    return find_exchanges(trace_step(CONFIG, SHAPE, 160, placement, devices).lower().compile().as_text())


@pytest.mark.parametrize("accumulate", [1, 2, pytest.param(6, marks=pytest.mark.slow)])
def test_only_gradients_and_metrics_are_communicated_once_per_step_for_any_number_of_parts(accumulate):
    found = crossing(4, accumulate=accumulate)
    gradients = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state_shapes(CONFIG, SHAPE).params))
    assert {(each.kind, each.in_loop) for each in found} == {("all-reduce", False)}
    # One exchange holds all gradients and sums of the terms; another what the active units take.
    assert len(found) == 2
    assert gradients < sum(each.size for each in found) < gradients + 100


def test_one_device_needs_no_communication():
    assert crossing(1) == []


def test_sharded_parameters_are_gathered():
    assert "all-gather" in {each.kind for each in crossing(4, fsdp=True)}


def test_communication_is_parsed_from_the_program_text():
    text = """
%body.3 (x: f32[4]) -> f32[4] {
  %a = f32[4]{0} all-reduce(%x), replica_groups={}
}

ENTRY %main (x: f32[4]) -> f32[4] {
  %b = (f32[2,3]{1,0:T(8,128)}, /*index=1*/bf16[], pred[5]) all-reduce-start(%x, %y), to_apply=%add
  %c = (f32[2,3]{1,0}, /*index=1*/bf16[]) all-reduce-done(%b)
  %d = (f32[8]{0}, f32[32]{0}) all-gather-start(%x), dimensions={0}
  %w = f32[4] while(%x), condition=%cond.2, body=%body.3
}
"""
    assert find_exchanges(text) == [
        Exchange("all-reduce", 16, True), Exchange("all-reduce", 31, False), Exchange("all-gather", 128, False),
    ]  # fmt: skip
