"""Which tokens are masked and how: counts by hand, the shares, and that all is a function of what draws it."""

import numpy as np
import pytest

from datamodules.masking import Masking, masked
from datamodules.subwords import BEGIN, MASK

SIZE = 300
REVIEW = np.array([BEGIN, *np.random.default_rng(3).integers(MASK + 1, SIZE, 499)])


def drawn(seed, tokens=REVIEW, count=75):
    return masked(tokens, count, SIZE, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="must be above 0 and below 1"):
        Masking(share)


def test_counts_by_hand():
    lengths = {1: 0, 2: 1, 3: 1, 8: 1, 11: 2, 12: 2, 21: 3, 101: 15, 512: 77}
    found = Masking(0.15).counts(np.array(list(lengths)))
    assert dict(zip(lengths, found.tolist(), strict=True)) == lengths
    assert found.dtype == np.int64
    assert Masking(0.99).counts(np.array([1, 2, 3, 101])).tolist() == [0, 1, 2, 99]


def test_nothing_but_the_masked_tokens_changes_and_never_the_first():
    for seed in range(200):
        seen, places = drawn(seed)
        assert len(seen) == len(REVIEW)
        assert len(set(places.tolist())) == 75
        assert (np.diff(places) > 0).all()
        assert 1 <= places.min() <= places.max() < len(REVIEW)
        others = np.setdiff1d(np.arange(len(REVIEW)), places)
        assert (seen[others] == REVIEW[others]).all()
        assert MASK not in seen[others]
    assert MASK not in REVIEW, "what is given stays as it is"


def test_the_shares_are_those_of_the_paper():
    hidden = same = 0
    pieces, where = [], np.zeros(len(REVIEW))
    for seed in range(400):
        seen, places = drawn(seed)
        hidden += (seen[places] == MASK).sum()
        same += (seen[places] == REVIEW[places]).sum()
        pieces += [piece for piece in seen[places][seen[places] != REVIEW[places]].tolist() if piece != MASK]
        where[places] += 1
    total = 400 * 75
    assert hidden / total == pytest.approx(0.8, abs=0.01)
    assert same / total == pytest.approx(0.1, abs=0.01)
    assert len(pieces) / total == pytest.approx(0.1, abs=0.01)
    assert set(pieces) == set(range(MASK + 1, SIZE)), "every piece and no symbol"
    assert where[1:].min() > 30, "every token has its turn"
    assert where[1:].max() < 100


def test_a_review_of_one_token_is_guessed_and_one_of_none_is_not():
    seen, places = drawn(0, REVIEW[:2], 1)
    assert (places.tolist(), seen[0]) == ([1], BEGIN)
    seen, places = drawn(0, REVIEW[:1], 0)
    assert (seen.tolist(), places.tolist()) == ([BEGIN], [])
    assert seen.dtype == places.dtype == np.int64


def test_the_same_generator_masks_the_same():
    for one, other in zip(drawn(5), drawn(5), strict=True):
        assert one.tolist() == other.tolist()
    assert drawn(5)[1].tolist() != drawn(6)[1].tolist()
