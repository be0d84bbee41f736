"""Steps on made-up input: as many as real data give, and a network trains on them."""

import pytest

from benchmarks.config import resolve_settings
from benchmarks.forecast import load_forecasts
from benchmarks.modules import synthetic
from benchmarks.plan import Order, work_out
from benchmarks.strict import load_claim
from benchmarks.synthetic import made_up

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
    assert assembly.accumulate == 16  # one image at a time


def test_no_part_of_a_step_may_be_empty():
    pretraining, fine_tuning = assemblies_of("imdb")
    assert pretraining.accumulate == 64  # 65,536 tokens are 128 of the longest reviews
    assert fine_tuning.accumulate == 8  # 8,192 are 16, of which one may be missing


def test_every_benchmark_whose_data_are_large_has_made_up_input():
    assert {load_claim(name).dataset for name in TINY} == {"imagenet", "coco", "librispeech", "wmt", "imdb"}
    assert all(synthetic(load_claim(name)) for name in TINY)


@pytest.mark.parametrize(
    "benchmark", [name if name == "imdb" else pytest.param(name, marks=pytest.mark.slow) for name in TINY]
)
def test_a_plan_without_data_measures_the_recipe_itself(workshop, benchmark, tmp_path):
    where = tmp_path / "forecast.json"
    code, out, err = workshop.call(
        "steps", benchmark, "--variant=default", "--seeds=0", f"--forecast={where}", overrides(benchmark)
    )
    assert (code, out) == (0, ""), err
    found = load_forecasts(where)
    assert [stage.stage for stage in found] == (["pretraining", "fine_tuning"] if benchmark == "imdb" else [""])
    for stage in found:
        assert stage.training == pytest.approx(stage.steps * batch_of(benchmark, stage) / stage.speed.value, rel=0.01)
        assert stage.evaluation == 0
        assert stage.disk > 0
    assert workshop.runs() == workshop.records() == []


def batch_of(benchmark, stage):
    """What a step holds on the average, in the unit of the speed."""
    named = {"pretraining": 65_536, "fine_tuning": 8192}
    full = {"imagenet": 64, "coco": 16, "librispeech": 3200, "wmt_rnn": 52_000, "wmt_transformer": 50_000}
    return named.get(stage.stage) or full[benchmark]


@pytest.mark.slow
def test_the_plan_says_that_it_was_made_up(workshop):
    code, out, err = workshop.call("plan", "imdb", "--variant=default", overrides("imdb"))
    assert (code, err) == (0, "")
    assert "measured here on synthetic input, training alone, steps in 64 parts" in out
