from lightning_modules.interface import BenchmarkModule
from tests.refusals import refusal


def test_a_system_that_says_nothing_of_its_own_has_no_published_weights_and_hands_on_none():
    assert "WEIGHTS=A.V1: nobody publishes weights" in refusal(BenchmarkModule.published, "A.V1")
    assert refusal(BenchmarkModule().shapes, None) == "a BenchmarkModule hands on no weights. Train it in one stage."
