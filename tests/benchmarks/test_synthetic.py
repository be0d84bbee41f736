"""Steps on made-up input: as many as real data give, timed rightly, and a network trains on them."""

from types import SimpleNamespace

import pytest
import torch

from benchmarks.assembly import Assembly
from benchmarks.config import merge, resolve_settings
from benchmarks.forecast import load_forecasts
from benchmarks.modules import synthetic
from benchmarks.order import Order, work_out
from benchmarks.strict import load_claim
from benchmarks.synthetic import _measured, in_parts, made_up
from benchmarks.throughput import Stopwatch
from tests.datamodules import fitting

TINY = {
    "imagenet": {
        "model.init_args.network.init_args": {"depths": [1, 1, 1, 1], "width": 4},
        "data.init_args": {"smallest": 32, "largest": 64, "global_batch_size": 64},
    },
    "coco": {
        "model.init_args.network.init_args.body.init_args": {"depths": [1, 1, 1, 1], "width": 4},
        "data.init_args": {"short_side": 64, "longest_side": 96, "workers": 0},
        "data.init_args.resizing.init_args": {"sides": [64], "longest": 96},
    },
    "librispeech": {
        "model.init_args.network.init_args": {"width": 8, "channels": 4, "num_lstms": 1, "num_feedforward": 1},
        "data.init_args": {"workers": 0},
    },
    "wmt_transformer": {
        "model.init_args.network.init_args": {"width": 8, "heads": 2, "feedforward": 8, "layers": 1},
        "data.init_args": {"workers": 0},
    },
    "wmt_rnn": {"model.init_args.network.init_args": {"width": 8}, "data.init_args": {"workers": 0}},
    "imdb": {
        "stages.pretraining.model.init_args.network.init_args": {"width": 8, "heads": 2, "layers": 1},
        "stages.fine_tuning.model.init_args.network.init_args": {"width": 8, "heads": 2, "layers": 1},
        "data.init_args": {"workers": 0},
    },
}


def overrides(benchmark):
    """`--args` that make the network of a full recipe small."""
    below = {f"{key}.{name}": value for key, values in TINY[benchmark].items() for name, value in values.items()}
    return "--args=" + " ".join(f"--{key}={str(value).replace(' ', '')}" for key, value in below.items())


def assemblies_of(benchmark, variant=None):
    plan = work_out(Order(benchmark, "full", variant, 0, "nowhere", {}))
    return [made_up(stage.assembly, synthetic(plan.claim)) for stage in plan.stages]


@pytest.mark.parametrize(
    ("benchmark", "steps", "tolerance"),
    [
        ("imagenet", 32 * (1_281_167 // 4096), 0),
        ("coco", 270_000, 0.01),  # detectron2's 3x schedule, which 37 epochs stand for
        ("librispeech", 15_000, 0.02),  # AlgoPerf's
        ("wmt_transformer", 100_000, 0.05),  # of Vaswani et al.'s base model
        ("wmt_rnn", 6 * 4_068_191 * 2 * 26 / 52_000, 0.25),  # NVIDIA's pairs of 1 to 50 subwords; 26 a side is a guess
    ],
)
def test_there_are_as_many_steps_as_the_recipes_have_on_real_data(benchmark, steps, tolerance):
    (assembly,) = assemblies_of(benchmark)
    found = assembly.resolved["trainer"]["max_epochs"] * assembly.datamodule.steps_per_epoch
    assert found == pytest.approx(steps, rel=tolerance, abs=0)


def test_only_the_input_and_first_weights_are_other_ones_than_the_run_has():
    (assembly,) = assemblies_of("coco")
    settings = resolve_settings("coco", "full", None, {})
    assert assembly.settings["model"]["init_args"] == settings["model"]["init_args"] | {"init_from": None}
    assert assembly.module.init_from is None
    assert assembly.datamodule.global_batch_size == settings["data"]["init_args"]["global_batch_size"]


def test_on_a_processor_a_step_is_taken_in_as_many_parts_as_its_examples_allow():
    (images,), (pretraining, fine_tuning) = assemblies_of("coco"), assemblies_of("imdb")
    part, parts = next(in_parts(images))
    assert (part.datamodule.global_batch_size, parts) == (1, 16)
    part, parts = next(in_parts(pretraining))
    # Four of the longest reviews; of two one may be missing.
    assert (part.datamodule.global_batch_size, parts) == (2048, 32)
    part, parts = next(in_parts(fine_tuning))
    assert (part.datamodule.global_batch_size, parts) == (2048, 4)


def test_parts_are_doubled_until_they_take_long_enough(monkeypatch):
    """Of a small network a part would take what any takes, and 64 of them 64 times that."""
    taken = []

    def timed(part, seed):
        taken.append(part.datamodule.global_batch_size)
        return SimpleNamespace(seconds_a_part=0.01 * taken[-1]), SimpleNamespace(
            strategy=SimpleNamespace(broadcast=lambda value: value),
            save_checkpoint=lambda path: path.touch(), is_global_zero=True,
        )  # fmt: skip

    monkeypatch.setattr("benchmarks.synthetic._timed", timed)
    monkeypatch.setattr("benchmarks.synthetic._forecast", lambda stage, part, parts, *_: parts)
    (images,) = assemblies_of("imagenet")
    smaller = Assembly(merge(images.settings, {"data": {"init_args": {"global_batch_size": 256}}}))
    assert _measured(SimpleNamespace(assembly=smaller), 0) == 256 / 32
    assert taken == [4, 8, 16, 32]


@pytest.mark.parametrize("benchmark", ["librispeech", "wmt_rnn", "wmt_transformer", "imdb"])
def test_batches_are_as_long_as_they_are_said_to_be(benchmark):
    for assembly in assemblies_of(benchmark):
        data = assembly.datamodule
        data.workers = 0
        data.trainer = fitting.trainer()
        loader = data.train_dataloader()
        (keys, batch) = next(zip(loader.batch_sampler, loader, strict=False))
        lengths = data.lengths[[index for _, index in keys]]
        assert data.held(batch) == pytest.approx(lengths.sum(), rel=1e-4)  # seconds are whole samples
        assert data.held(batch) == pytest.approx(data.global_batch_size, rel=0.02)


class Clock:
    """What a part of a step takes by this clock: 2 s a unit that it holds, and 10 s for the optimizer."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def train(self, watch, held):
        trainer = SimpleNamespace(
            datamodule=SimpleNamespace(held=lambda batch: batch),
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        )
        self.now += 1000  # waiting for data, which does not count
        watch.on_train_batch_start(trainer, None, held, 0)
        self.now += 2 * held
        watch.on_before_optimizer_step(trainer, None, None)
        self.now += 10
        watch.on_train_batch_end(trainer, None, None, held, 0)


def test_an_optimizer_is_counted_once_a_step_and_examples_as_many_as_there_were(monkeypatch):
    watch, clock = Stopwatch(), Clock(monkeypatch)
    for held in (1_000, 7_000, 3, 5, 4):  # the first two warm up
        clock.train(watch, held)
    assert watch.seconds(held=6_400, steps=100) == 2 * 6_400 + 100 * 10


def test_every_benchmark_whose_data_are_large_has_made_up_input():
    assert {load_claim(name).dataset for name in TINY} == {"imagenet", "coco", "librispeech", "wmt", "imdb"}
    assert all(synthetic(load_claim(name)) for name in TINY)


@pytest.fixture
def hasty(workshop):
    """A workshop in which any part of a step is long enough, however fast the machine is."""
    source = workshop.root / "benchmarks/synthetic.py"
    text = source.read_text()
    assert text.count("LONG_ENOUGH = 0.2") == 1
    source.write_text(text.replace("LONG_ENOUGH = 0.2", "LONG_ENOUGH = 0.0"))
    return workshop


@pytest.mark.parametrize(
    "benchmark", [name if name == "imdb" else pytest.param(name, marks=pytest.mark.slow) for name in TINY]
)
def test_a_plan_without_data_measures_the_recipe_itself(hasty, benchmark, tmp_path):
    where = tmp_path / "forecast.json"
    code, out, err = hasty.call(
        "steps", benchmark, "--variant=default", "--seeds=0", f"--forecast={where}", overrides(benchmark)
    )
    assert (code, out) == (0, ""), err
    found = load_forecasts(where)
    assert [stage.stage for stage in found] == (["pretraining", "fine_tuning"] if benchmark == "imdb" else [""])
    for stage in found:
        assert stage.training > 0
        assert stage.evaluation == 0
        assert stage.disk > 0
        assert stage.parts > 1
    assert hasty.runs() == hasty.records() == []


@pytest.mark.slow
def test_two_processes_measure_together(workshop, tmp_path):
    where = tmp_path / "forecast.json"
    asked = ("steps", "imdb", "--variant=default", "--seeds=0", "--devices=2", f"--forecast={where}")
    code, out, err = workshop.call(*asked, overrides("imdb"))
    assert (code, out) == (0, ""), err
    assert [(stage.processes, stage.steps) for stage in load_forecasts(where)] == [(2, 17_940), (2, 3_595)]


@pytest.mark.parametrize(
    ("benchmark", "options", "message"),
    [
        ("imdb", ["--data=/nowhere"], "full recipes without DATA"),
        ("imdb", ["--profile=mini"], "full recipes without DATA"),
        ("locomotion_walk", ["--variant=hopper-ppo"], "of what needs some"),
        ("imagenet", ["--args=--data.init_args.global_batch_size=10000000"], "1281167 training examples do not fill"),
        ("imdb", ["--seeds=0,1"], "exactly one seed and one variant"),
    ],
)
def test_mistakes(workshop, benchmark, options, message, tmp_path):
    otherwise = {"--seeds": "0"} if benchmark.startswith("loco") else {"--seeds": "0", "--variant": "default"}
    given = otherwise | dict(option.split("=", 1) for option in options)
    words = [f"{name}={value}" for name, value in given.items()]
    code, out, err = workshop.call("steps", benchmark, f"--forecast={tmp_path / 'f.json'}", *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.slow
def test_the_plan_says_that_it_was_made_up(hasty):
    code, out, err = hasty.call("plan", "imdb", "--variant=default", overrides("imdb"))
    assert (code, err) == (0, "")
    assert "measured here on synthetic input of the largest sizes, training alone, steps in 32 and 4 parts" in out
