"""The clock of training: what counts, by hand."""

from types import SimpleNamespace

import pytest

from benchmarks import throughput
from benchmarks.throughput import ThroughputMeter


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock.now)
    return clock


TRAINER = SimpleNamespace(
    datamodule=SimpleNamespace(step_size=40),
    accumulate_grad_batches=2,
    strategy=SimpleNamespace(root_device=SimpleNamespace(type="cpu")),
)


def train(meter, clock, batches, wait, compute, first=0):
    for index in range(first, first + batches):
        clock.now += wait
        meter.on_train_batch_start(TRAINER, None, None, index)
        clock.now += compute
        meter.on_train_batch_end(TRAINER, None, None, None, index)


def test_the_first_batches_validation_and_checkpoints_are_left_out(clock):
    meter = ThroughputMeter()
    meter.on_train_epoch_start(TRAINER, None)
    train(meter, clock, 3, wait=50, compute=7)  # warming up
    assert meter.measured("images") is None
    train(meter, clock, 2, wait=1, compute=3, first=3)
    meter.on_save_checkpoint(TRAINER, None, {})
    clock.now += 1000
    train(meter, clock, 3, wait=1, compute=3, first=5)  # of which the first, begun before the clock, does not count
    meter.on_validation_start(TRAINER, None)
    clock.now += 1000
    # 20 images a batch; two and two batches of four seconds, one of them waiting.
    measured = meter.measured("images")
    assert (measured.unit, measured.value, measured.data_wait) == ("images/s", 5.0, 0.25)


def test_a_resumed_epoch_warms_up_too(clock):
    meter = ThroughputMeter()
    meter.on_train_epoch_start(TRAINER, None)
    train(meter, clock, 3, wait=50, compute=7, first=20)
    assert meter.measured("images") is None


def test_seconds_add_up_over_restarts_and_no_load_counts_twice(clock):
    first = ThroughputMeter()
    clock.now += 30
    second = ThroughputMeter()
    second.load_state_dict(first.state_dict())
    clock.now += 12
    assert second.elapsed == 42
    second.load_state_dict(second.state_dict())  # as testing does after fitting
    assert second.elapsed == 42


class Gpu:
    """Works off what it is asked, while the processor goes on; its events are torch's."""

    def __init__(self, clock):
        self.clock, self.free = clock, 0.0

    def compute(self, seconds):
        self.free = max(self.free, self.clock.now) + seconds

    def event(self, enable_timing):
        gpu = self

        class Event:
            def record(self):
                self.at = max(gpu.free, gpu.clock.now)

            def synchronize(self):
                gpu.clock.now = max(self.at, gpu.clock.now)

            def elapsed_time(self, later):
                assert later.at <= gpu.clock.now, "the GPU has not come there"
                return 1000 * (later.at - self.at)

        return Event()


@pytest.mark.parametrize(("reading", "speed", "waiting"), [(0.0, 5.0, 0.0), (2.5, 5.0, 0.0), (5.0, 20 / 6, 1 / 3)])
def test_a_gpu_waits_only_when_it_has_nothing_to_compute(clock, monkeypatch, reading, speed, waiting):
    """A batch of 20 images takes it four seconds, and the processor one to ask for, beside reading."""
    gpu = Gpu(clock)
    monkeypatch.setattr(throughput.torch.cuda, "Event", gpu.event)
    trainer = SimpleNamespace(**vars(TRAINER) | {"strategy": SimpleNamespace(root_device=SimpleNamespace(type="cuda"))})
    meter, ahead = ThroughputMeter(), []
    meter.on_train_epoch_start(trainer, None)
    for index in range(10):
        clock.now += reading
        meter.on_train_batch_start(trainer, None, None, index)
        gpu.compute(4)
        clock.now += 1
        meter.on_train_batch_end(trainer, None, None, None, index)
        ahead.append(gpu.free - clock.now)
    assert min(ahead) > 0, "when a batch ends, nobody has waited for it"
    measured = meter.measured("images")
    assert (measured.value, measured.data_wait) == (pytest.approx(speed), pytest.approx(waiting))
    assert ThroughputMeter.state_dict(meter)["examples"] == 7 * 20
