"""A score must agree with the test loop: with a value of that name, unless the system says that there is none."""

from types import SimpleNamespace

import pytest

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge, resolve_settings, stages
from benchmarks.evaluation import require_agreement, require_logged
from benchmarks.modules import needs_data, scoring
from benchmarks.paths import benchmarks
from benchmarks.schema import Measurement
from benchmarks.strict import load_claim
from lightning_modules.classification import ImageClassifier
from tests.conftest import short
from tests.refusals import refusal

IMAGENET = load_claim("imagenet")
VARIANTS = [(name, variant) for name in benchmarks() for variant in load_claim(name).variants]
PLAYED = {"return", "crash_above_idm", "return_above_idm", "score"}


def measured(**values):
    return {f"test/{name}": Measurement(value, "%", (0.0, 100.0), 37, {}) for name, value in values.items()}


def logging(names, unlogged=()):
    """What is asked of an image classifier that logs these."""
    module = ImageClassifier.__new__(ImageClassifier)
    vars(module)["unlogged"] = unlogged
    logged = {f"test/{name}": 50.0 for name in names}
    require_logged(measured(top1=50.0, top5=90.0, balanced=50.0), logged, [SimpleNamespace(claim=IMAGENET)], module)


def test_a_value_of_another_size_is_refused():
    require_agreement(measured(top1=50.0), {"test/top1": 50.0})
    with pytest.raises(RuntimeError, match=r"test/top1 is 50.0 by the predictions file and 51.0 by the test loop"):
        require_agreement(measured(top1=50.0), {"test/top1": 51.0})


def test_a_claimed_metric_that_the_loop_does_not_log_is_refused():
    told = refusal(logging, ["top1", "top-5"])
    assert "ImageClassifier logs no test/top5 to compare" in told
    assert "on_test_epoch_end in lightning_modules/classification.py" in told
    logging(["top1"], unlogged=("top5",))
    logging(["top1", "top5"])


@pytest.mark.parametrize(("benchmark", "variant"), VARIANTS)
def test_what_a_system_leaves_out_is_a_score_of_games_or_follows_from_another(benchmark, variant):
    claim = load_claim(benchmark)
    *_, settings = stages(resolve_settings(benchmark, "full", variant, {})).values()
    root = "/nowhere" if needs_data(claim) else None
    unlogged = set(Assembly(merge(settings, machine_settings(0, root))).module.unlogged)
    assert unlogged <= ({"word_accuracy"} if needs_data(claim) else PLAYED & scoring(claim).METRICS.keys())


def test_a_run_whose_loop_is_silent_leaves_no_record(workshop, small_tree):
    system = workshop.root / "lightning_modules/classifier_scores.py"
    system.write_text(system.read_text().replace('self._log_accuracies("test")', "pass"))
    command = ("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={small_tree}")
    code, _, err = workshop.call(*command, short(**{"trainer.max_epochs": 1}))
    assert (code, err.count("\n")) == (2, 1), err
    assert "ImageClassifier logs no test/top1 to compare" in err
    assert workshop.records() == []
