"""A recipe that could not settle its claim is refused before anything is trained."""

from dataclasses import replace

import pytest
from lightning.pytorch import LightningModule

from benchmarks.errors import UserError
from benchmarks.modules import needs_data
from benchmarks.order import Order, work_out
from benchmarks.paths import benchmarks
from benchmarks.run import require_what_is_claimed
from benchmarks.strict import load_claim

RECIPES = [
    (name, variant) for name in benchmarks() if needs_data(load_claim(name)) for variant in load_claim(name).variants
]


def plan_of(benchmark, variant, profile="full", overrides=None):
    return work_out(Order(benchmark, profile, variant, 0, "nowhere", overrides or {}))


def claiming(plan, **changes):
    first, *others = plan.claim.readings
    return replace(plan, claim=replace(plan.claim, readings=(replace(first, **changes), *others)))


@pytest.mark.parametrize(("benchmark", "variant"), RECIPES)
def test_every_recipe_follows_the_protocol_of_its_readings(benchmark, variant):
    require_what_is_claimed(plan_of(benchmark, variant))


def test_another_protocol_is_refused_where_it_would_decide_something():
    plan = plan_of("imagenet", None)
    resized = claiming(plan, signature=plan.claim.readings[0].signature | {"resize": 232})
    with pytest.raises(UserError, match=r"imagenet/claim.yaml: the reading 'top-5' .* resize 256 instead of 232"):
        require_what_is_claimed(resized)
    more = claiming(plan, signature=plan.claim.readings[0].signature | {"crops": 10})
    with pytest.raises(UserError, match="crops None instead of 10"):
        require_what_is_claimed(more)
    unofficial = {"data": {"init_args": {"resize": 232}}}
    for other in (plan_of("imagenet", None, "mini"), plan_of("imagenet", None, overrides=unofficial)):
        require_what_is_claimed(replace(other, claim=resized.claim))


def test_the_best_epoch_needs_a_validation(monkeypatch):
    plan = plan_of("imagenet", None)
    best = replace(plan, claim=replace(plan.claim, checkpoint="best val/top1"))
    require_what_is_claimed(best)
    system = type(plan.last.assembly.module)
    monkeypatch.setattr(system, "validation_step", LightningModule.validation_step)
    with pytest.raises(UserError, match="the best by val/top1, but ImageClassifier has no validation_step"):
        require_what_is_claimed(best)
