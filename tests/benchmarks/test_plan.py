"""`plan`: what runs will take, by a rehearsal here or by what others published."""

import re
from types import SimpleNamespace

import pytest

from benchmarks import plan
from benchmarks.cli import parser
from benchmarks.forecast import Forecast, load_forecasts, write_forecasts
from benchmarks.paths import benchmarks
from benchmarks.plan import PEAKS
from benchmarks.schema import Throughput
from benchmarks.strict import load_claim, load_published
from benchmarks.throughput import EvaluationMeter
from datamodules.locomotion import LocomotionData
from tests.benchmarks.ended import finish
from tests.conftest import short


def cells_of(out, name):
    (line,) = (line for line in out.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_others_published_is_scaled_to_the_machine(desk):
    out = finish(desk, "plan", "wmt_rnn", "--gpu=H200", "--devices=8", "--price=3.5")
    _, steps, time, seeds, gpu_hours, _, _, cost, by = cells_of(out, "wmt_rnn")
    # 3 A100-hours * 312 / 989 = 0.946 H200-hours; by 8 GPUs, for 3 seeds, at 3.50 an hour
    assert (steps, time, seeds, gpu_hours, cost) == ("", "7.1 min", "3", "2.8", "9.94")
    assert by.startswith(
        "3 A100-hours published, scaled to H200 by peak arithmetic, at best: NVIDIA/DeepLearningExamples:"
    )


def test_on_the_same_gpu_nothing_is_scaled(desk):
    _, out, _ = desk.call("plan", "wmt_rnn", "--seeds=0", "--gpu=A100")
    assert cells_of(out, "wmt_rnn")[2:5] == ["3.0 h", "1", "3.0"]
    assert "3 A100-hours published: " in out


def test_devices_that_are_no_number_are_refused_where_gpus_are_only_named(desk):
    for devices in ("--devices=auto", "--args=--trainer.devices=-1", "--args=--trainer.devices=[0,1]"):
        code, out, err = desk.call("plan", "wmt_rnn", "--gpu=H200", devices)
        assert (code, out) == (2, "")
        assert "a plan needs their number, such as DEVICES=8" in err


def test_where_there_are_too_few_devices_it_says_what_others_published(desk):
    _, out, _ = desk.call("plan", "wmt_rnn", "--devices=800")
    *_, by = cells_of(out, "wmt_rnn")
    assert by.startswith("could not be rehearsed: DEVICES=800, but this machine has ")
    assert "3 A100-hours published: " in by


def test_where_nobody_knows_it_says_so(desk):
    _, out, _ = desk.call("plan", "imdb", "--variant=scratch", "--gpu=H200")
    assert cells_of(out, "imdb scratch")[1:5] == ["", "", "3", ""]
    assert "nobody has published it: give DATA, or leave GPU out" in out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--gpu=H9000", "GPU=H9000 is not known. Known: P100, "),
        ("--price=much", "PRICE=much is no price"),
        ("--price=nan", "PRICE=nan is no price"),
        ("--price=-1", "PRICE=-1 is no price"),
        ("--devices=0", "DEVICES=0 is no whole number"),
        ("--data=/nowhere", "/nowhere"),
    ],
)
def test_mistakes(desk, option, message):
    code, out, err = desk.call("plan", "wmt_rnn", option)
    assert (code, out) == (2, "")
    assert message in err


def test_data_that_are_broken_take_their_own_line_alone(desk):
    for name in ("coco", "imdb"):
        (desk.tmp / name).mkdir()
    assert desk.call("plan", "coco", f"--data={desk.tmp / 'coco'}")[0] == 2
    table = plan.plan(parser().parse_args(["plan", f"--data={desk.tmp}"]), ["coco", "imdb"])
    for name in ("coco", "imdb"):
        assert str(desk.tmp / name) in table.split(f"| {name} |")[1].splitlines()[0]


def test_what_others_published_is_of_variants_and_gpus_that_are_known():
    for name in benchmarks():
        for each in load_published(name):
            assert each.gpu in PEAKS
            assert each.variant in load_claim(name).variants


def test_a_cost_that_breaks_the_schema_is_named(desk):
    path = desk.root / "benchmarks/wmt_rnn/cost.yaml"
    path.write_text(path.read_text().replace("gpu_hours: 3.0", "gpu_hours: three"))
    code, _, err = desk.call("plan", "wmt_rnn", "--gpu=A100")
    assert code == 2
    assert "benchmarks/wmt_rnn/cost.yaml: published.0.gpu_hours" in err


def test_forecasts_come_back_as_they_went(tmp_path):
    stage = Forecast("pretraining", 100, Throughput("images/s", 10.5, 0.25), 60.0, 3.0, 1.5, True, 0.25, 1)
    write_forecasts([stage, stage], tmp_path / "f.json")
    assert load_forecasts(tmp_path / "f.json") == (stage, stage)
    assert stage.seconds == 63.0


def test_the_first_batch_of_an_evaluation_counts_once():
    meter = EvaluationMeter()
    meter.ends["test"] = [10.0, 13.0, 14.0]  # 3 s with the start of the workers, then 1 s a batch
    assert meter.seconds("test", 5) == 3 + 4 * 1
    meter.ends["test"] = [10.0, 13.0]
    assert meter.seconds("test", 1) == 3
    meter.ends["test"] = [10.0, 13.0, 14.0, 16.0]  # of two loaders
    assert meter.seconds("test", 4) == 3 + 3 * 1.5
    assert meter.seconds("validation", 4) == 0


def test_robots_that_fall_in_the_rehearsal_will_not_fall_in_the_run():
    robots, meter = LocomotionData("Hopper-v5", 1, 1, 1, 2, 2, 0), EvaluationMeter()
    meter.on_test_start(None, None)
    meter.on_test_batch_end(
        SimpleNamespace(datamodule=robots), None, {"predictions": [{"length": 50}, {"length": 250}]}
    )
    began, end = meter.ends["test"]
    assert meter.seconds("test", 1) == 4 * (end - began)  # they are stopped after 1,000 steps


@pytest.mark.slow
def test_robots_take_one_process_however_many_devices_there_are(workshop):
    code, out, err = workshop.call("plan", "locomotion_walk", "--variant=hopper-ppo", "--devices=8")
    assert (code, err) == (0, "")
    assert cells_of(out, "locomotion_walk hopper-ppo")[-1].startswith("measured here")


@pytest.mark.slow
def test_a_run_whose_data_are_here_is_rehearsed(workshop, small_tree):
    out = finish(
        workshop, "plan", "imagenet", "--profile=mini", f"--data={small_tree}", short(**{"trainer.max_epochs": 40})
    )
    _, steps, time, seeds, gpu_hours, memory, disk, _, by = cells_of(out, "imagenet")
    assert int(steps.replace(",", "")) % 40 == 0
    assert re.fullmatch(r"\d+\.\d min", time)
    assert (seeds, gpu_hours, by) == ("1", "", "measured here")
    assert re.fullmatch(r"\d\.\d GiB", memory)
    assert re.fullmatch(r"\d\.\d\d GiB", disk)
    assert workshop.runs() == workshop.records() == []
