"""IMDB's batches: which reviews they hold and which not, how they are cut and masked, and what identifies the data."""

import json
import shutil
from collections import Counter
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch

from benchmarks.errors import UserError
from datamodules import tokenised_reviews
from datamodules.bucketing import LengthBatches, num_batches
from datamodules.imdb import ImdbData, encoded
from datamodules.imdb_choice import labelled, name
from datamodules.layouts.imdb import open_reviews, plain
from datamodules.layouts.imdb_reviews import by_text
from datamodules.masking import Masking
from datamodules.subwords import BEGIN, MASK, PAD, Subwords
from tests.datamodules.imdb_trees import WORDS, as_parquet, hashed, planted, put, reviews

SIZE, LONGEST = 340, 50
TEXTS = planted(reviews())
MASKED = {"masking": Masking(0.15)}
LABELLED: dict = {}
BOTH = pytest.mark.parametrize("changes", [MASKED, LABELLED], ids=["masked", "labelled"])


@pytest.fixture(scope="module", autouse=True)
def _own_place(tmp_path_factory):
    """For what is tokenised, which is made once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenised_reviews, "ROOT", tmp_path_factory.mktemp("root"))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return put(tmp_path_factory.mktemp("imdb"), TEXTS)


@pytest.fixture
def copied(tree, tmp_path):
    return shutil.copytree(tree, tmp_path / "tree")


def data(root, seed=3, workers=0, **changes):
    settings = {
        "subwords": SIZE, "longest": LONGEST, "held_out": 0.1, "global_batch_size": 600, "evaluation_batch_size": 900,
    } | changes  # fmt: skip
    return ImdbData(str(root), seed, workers=workers, **settings)


def ready(datamodule, step=0, rank=0, world=1, accumulate=1):
    datamodule.setup("fit")
    datamodule.trainer = SimpleNamespace(
        global_rank=rank, world_size=world, accumulate_grad_batches=accumulate, global_step=step
    )
    return datamodule


def listed(loader):
    """Batches as plain values."""
    return [
        {key: getattr(value, "tolist", lambda value=value: value)() for key, value in batch.items()} for batch in loader
    ]


def rows_of(loader):
    """Of every review: its tokens, masked or not, and its label or what is to be guessed where."""
    found = []
    for batch in listed(loader):
        width = len(batch["tokens"][0])
        for row, (tokens, count) in enumerate(zip(batch["tokens"], batch["counts"], strict=True)):
            if "label" in batch:
                answer = batch["label"][row]
            else:
                pairs = zip(batch["places"], batch["targets"], strict=True)
                answer = tuple((place - row * width, target) for place, target in pairs if place // width == row)
            found.append((tuple(tokens[:count]), answer))
    return found


def restored(tokens, answer):
    """The tokens as they were before some were masked."""
    whole = list(tokens)
    for place, target in answer:
        whole[place] = target
    return tuple(whole)


# How a review is cut


@pytest.fixture(scope="module")
def subwords():
    return Subwords.for_reviews(reviews().values(), SIZE)


def test_a_review_begins_with_its_symbol_and_has_no_html(subwords):
    assert encoded(subwords, "a film<br /><br />of the plot", 99) == [BEGIN, *subwords.encode("a film  of the plot")]
    assert encoded(subwords, "<br />", 99) == [BEGIN]


@pytest.mark.parametrize(
    ("longest", "kept"),
    [(2, [0, 9]), (3, [0, 1, 9]), (4, [0, 1, 8, 9]), (5, [0, 1, 2, 8, 9]), (9, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
     (10, range(10)), (11, range(10))],
)  # fmt: skip
def test_of_a_long_review_head_and_tail_are_kept(subwords, longest, kept):
    text = " ".join([word for word in WORDS if f"▁{word}" in subwords.pieces][:9])
    ids = [BEGIN, *subwords.encode(text)]
    assert len(ids) == 10
    assert encoded(subwords, text, longest) == [ids[place] for place in kept]


def test_training_cuts_as_evaluation_does(tree):
    datamodule = ready(data(tree))
    expected = [encoded(datamodule.subwords, text, LONGEST) for text in TEXTS.values()]
    assert max(map(len, expected)) == LONGEST
    assert {tokens for tokens, _ in rows_of(datamodule.train_dataloader())} <= set(map(tuple, expected))


# Which reviews are used


def used_by_hand(names):
    return [name for name in TEXTS if name.startswith(names)]


def test_labelled_ones_come_once_with_their_labels_but_for_those_left_out(tree):
    datamodule = ready(data(tree))
    gone = {"train/neg/3_2", "train/pos/0_9"}  # in the test set; held out as well
    held: set[str] = set()
    for folder, count in {"train/neg": 4, "train/pos": 5}.items():  # a tenth
        held |= set(sorted(set(used_by_hand(folder)) - gone, key=lambda name: hashed(TEXTS[name]))[-count:])
    names = [each for each in used_by_hand(("train/neg", "train/pos")) if each not in held | gone]
    encode = datamodule.subwords
    expected = Counter((tuple(encoded(encode, TEXTS[each], LONGEST)), int("/pos/" in each)) for each in names)
    assert Counter(rows_of(datamodule.train_dataloader())) == expected
    assert datamodule.left_out == ("train/neg/3_2",)
    (loader,) = datamodule.val_dataloader()
    found = [
        (text, label) for batch in listed(loader) for text, label in zip(batch["texts"], batch["label"], strict=True)
    ]
    assert Counter(found) == Counter((TEXTS[each], int("/pos/" in each)) for each in held)


def test_masked_ones_are_all_but_those_in_the_test_set(tree):
    datamodule = ready(data(tree, **MASKED))
    left = ("train/neg/3_2", "unsupervised/7_0", "unsupervised/9_0")
    assert datamodule.left_out == left
    gone = {each.replace("unsupervised", "train/unsup") for each in left}
    names = [each for each in used_by_hand("train/") if each not in gone]
    expected = Counter(tuple(encoded(datamodule.subwords, TEXTS[each], LONGEST)) for each in names)
    assert Counter(restored(*row) for row in rows_of(datamodule.train_dataloader())) == expected
    assert datamodule.val_dataloader() == []


def test_the_held_out_part_is_of_each_class_and_the_same_for_every_seed(tree):
    found = [ready(data(tree, seed)).choice.held_out.tolist() for seed in (0, 1, 7)]
    assert found[0] == [*range(36, 40), *range(85, 90)] == found[1] == found[2]
    train = by_text(open_reviews(str(tree), "train"))
    nothing = np.empty(0, np.int64)
    for share, counts in {0.5: [20, 25], 0.25: [10, 12], 0.001: [1, 1]}.items():
        assert np.bincount(train.labels[labelled(train, nothing, share).held_out]).tolist() == counts


def test_no_text_is_on_both_sides_of_the_split_nor_in_the_test_set(tree):
    train, test = by_text(open_reviews(str(tree), "train")), open_reviews(str(tree), "test")
    choice = ready(data(tree)).choice
    normal = [" ".join(train.text(place).lower().split()) for place in range(len(train))]
    sides = [{normal[place] for place in places} for places in (choice.used, choice.held_out)]
    tested = {test.text(place).lower() for place in range(len(test))}
    assert sides[0].isdisjoint(sides[1])
    assert tested.isdisjoint(sides[0] | sides[1])
    every = np.sort(np.concatenate([choice.used, choice.held_out, choice.left_out, choice.duplicates]))
    assert every.tolist() == list(range(len(train)))
    assert [train.ids[place] for place in choice.duplicates] == ["pos/0_9"]


def test_names_of_both_forms():
    assert [name(place, ("neg/0_1", "pos/0_10"), ("unsup/0_0",)) for place in range(3)] == [
        "train/neg/0_1", "train/pos/0_10", "unsupervised/0_0",
    ]  # fmt: skip
    assert [name(place, ("train-0",), ("unsupervised-0",)) for place in range(2)] == ["train-0", "unsupervised-0"]


def test_it_says_in_a_line_what_is_used(tree, capfd):
    ready(data(tree, **MASKED))
    ready(data(tree))
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if line.startswith("training on")]
    assert lines == [
        "training on 157 masked reviews; left out, as they stand in the test set: 3",
        "training on 79 labelled reviews; left out, as they stand in the test set: 1; held out: 9, and 1 that stand "
        "there twice",
    ]


# Batches


def test_a_masked_batch(tree):
    for batch in ready(data(tree, **MASKED)).train_dataloader():
        tokens, places, targets = batch["tokens"], batch["places"], batch["targets"]
        assert tokens.dtype == places.dtype == targets.dtype == torch.int64
        assert list(batch) == ["tokens", "counts", "places", "targets"]
        assert tokens.shape == (len(batch["counts"]), max(batch["counts"]))
        assert (tokens[:, 0] == BEGIN).all()
        for row, count in zip(tokens, batch["counts"], strict=True):
            assert (row[count:] == PAD).all()
            assert PAD not in row[:count]
        rows = torch.bincount(places // tokens.shape[1], minlength=len(tokens)).tolist()
        assert rows == [min(count - 1, max(1, round(0.15 * (count - 1)))) for count in batch["counts"]]
        assert (targets > MASK).all()
        assert (places % tokens.shape[1] > 0).all()
        elsewhere = torch.ones(tokens.numel(), dtype=torch.bool)
        elsewhere[places] = False
        assert MASK not in tokens.flatten()[elsewhere]
        assert (tokens.flatten()[places] == MASK).float().mean() > 0.5


def test_a_labelled_batch(tree):
    for batch in ready(data(tree)).train_dataloader():
        assert list(batch) == ["tokens", "counts", "label"]
        assert batch["tokens"].dtype == batch["label"].dtype == torch.int64
        assert batch["label"].shape == (len(batch["counts"]),)
        assert MASK not in batch["tokens"]


def test_masks_are_a_function_of_seed_epoch_and_review(tree):
    def masks(seed, epoch, size):
        datamodule = ready(data(tree, seed, global_batch_size=size, **MASKED))
        datamodule.trainer.global_step = epoch * datamodule.steps_per_epoch
        return Counter((restored(*row), *row) for row in rows_of(datamodule.train_dataloader()))

    first = masks(3, 0, 600)
    assert masks(3, 0, 1_100) == first, "whatever batch it is in"
    for other in (masks(3, 1, 600), masks(4, 0, 600)):
        assert Counter(text for text, *_ in other.elements()) == Counter(text for text, *_ in first.elements())
        assert (first & other).total() < 0.1 * first.total()


@BOTH
def test_lengths_are_what_batches_hold(tree, changes):
    datamodule = ready(data(tree, **changes))
    batches = listed(datamodule.train_dataloader())
    sizes = sorted(count for batch in batches for count in batch["counts"])
    assert sorted(datamodule.lengths.tolist()) == sizes
    steps = datamodule.steps_per_epoch
    assert steps == np.ceil(sum(sizes) / 600) == len(batches) > 3
    assert datamodule.step_size * steps == pytest.approx(sum(sizes))
    targets = sum(len(batch.get("targets", batch.get("label"))) for batch in batches)
    assert datamodule.step_targets * steps == pytest.approx(targets)


@BOTH
@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (3, 1), (2, 2)])
def test_ranks_share_a_step(tree, changes, world, accumulate):
    alone = ready(data(tree, **changes))
    ranks = [ready(data(tree, **changes), 0, rank, world, accumulate).train_dataloader() for rank in range(world)]
    assert {len(loader) for loader in ranks} == {alone.steps_per_epoch * accumulate}
    shares = [listed(loader) for loader in ranks]
    for step, whole in enumerate(alone.train_dataloader()):
        parts = [share[step * accumulate + turn] for share in shares for turn in range(accumulate)]
        assert Counter(row for part in parts for row in rows_of([tensors(part)])) == Counter(rows_of([whole]))


def tensors(batch):
    return {key: value if key == "counts" else torch.tensor(value) for key, value in batch.items()}


@BOTH
def test_workers_and_a_resume_change_nothing(tree, changes):
    expected = listed(ready(data(tree, **changes)).train_dataloader())
    assert listed(ready(data(tree, workers=2, **changes)).train_dataloader()) == expected
    assert listed(ready(data(tree, 4, **changes)).train_dataloader()) != expected
    steps = len(expected)
    second = listed(ready(data(tree, **changes), steps).train_dataloader())
    assert second != expected
    for step, rest in ((2, expected[2:]), (steps + 1, second[1:])):
        resumed = ready(data(tree, workers=2, **changes), step)
        loader = resumed.train_dataloader()
        assert listed(loader) == rest
        resumed.trainer.global_step = steps
        assert listed(loader) == second, "the same loader in the next epoch"


@BOTH
def test_batches_do_not_depend_on_the_form_of_the_data(tree, tmp_path, changes):
    shards = as_parquet(tree, tmp_path / "shards")
    one, other = ready(data(tree, **changes)), ready(data(shards, **changes))
    assert listed(one.train_dataloader()) == listed(other.train_dataloader())
    for ours, theirs in zip(one.val_dataloader(), other.val_dataloader(), strict=True):
        assert listed(ours) == listed(theirs)
    tested = [[text for batch in each.test_dataloader() for text in batch["texts"]] for each in (one, other)]
    assert sorted(tested[0]) == sorted(tested[1])
    assert one.identity == other.identity
    assert one.left_out[0] == "train/neg/3_2"
    shown = open_reviews(str(shards), "train")
    assert shown.text(shown.ids.index(other.left_out[0])) == TEXTS["train/neg/3_2"]
    assert len(one.left_out) == len(other.left_out)


@pytest.mark.parametrize("world", [1, 2, 40])
def test_evaluation_gives_every_review_once_as_it_is_written(tree, world):
    """Forty ranks are more than there are batches."""
    test = open_reviews(str(tree), "test")
    loaders = [ready(data(tree), rank=rank, world=world).test_dataloader() for rank in range(world)]
    assert len({len(loader) for loader in loaders}) == 1
    batches = [batch for loader in loaders for batch in loader]
    assert sorted(index for batch in batches for index in batch["index"]) == list(range(22))
    for batch in batches:
        assert batch["texts"] == [test.text(index) for index in batch["index"]]
        assert batch["label"].dtype == torch.int64
        assert batch["label"].tolist() == [int(test.labels[index]) for index in batch["index"]]
        longest = max((len(text) + 1 for text in batch["texts"]), default=0)
        assert len(batch["texts"]) * longest <= 900 or len(batch["texts"]) == 1
    assert any(not batch["index"] for batch in batches) == (world == 40)


def test_evaluation_is_the_same_with_workers(tree):
    alone, helped = (ready(data(tree, workers=workers)) for workers in (0, 2))
    assert listed(alone.test_dataloader()) == listed(helped.test_dataloader())
    assert listed(alone.val_dataloader()[0]) == listed(helped.val_dataloader()[0])


@pytest.mark.parametrize("world", [1, 8])
@pytest.mark.parametrize(("count", "step"), [(75_000, 65_536), (22_500, 8_192)])
def test_little_of_a_step_is_padding(world, count, step):
    """Of lengths as IMDB's reviews have them, cut at 512 tokens, in the steps of both stages."""
    words = np.exp(np.random.default_rng(0).normal(np.log(174), np.sqrt(2 * np.log(234 / 174)), count)).clip(10, 2_470)
    lengths = np.minimum(1 + np.round(1.3 * words), 512)
    held = padded = 0.0
    for rank in range(world):
        for batch in LengthBatches(lengths, "tokens", step, rank, world, 1, 1, lambda: 0, ImdbData.jitter):
            found = lengths[[index for _, index in batch]]
            held, padded = held + found.sum(), padded + len(found) * found.max()
    assert num_batches(lengths, step) > 100
    assert 0.01 < 1 - held / padded < 0.05


# What is refused, and what identifies the data


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"longest": 1}, "longest is 1"), ({"held_out": 0.0}, "held_out is 0"), ({"held_out": 1.0}, "held_out is 1")],
)
def test_nonsense_is_refused_before_any_file_is_looked_at(changes, message):
    with pytest.raises(ValueError, match=message):
        data("/nowhere", **changes)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("train/unsup", "has no unsupervised"),
        ("train/pos", "train/pos is missing"),
        ("test/neg", "test/neg is missing"),
    ],
)
@BOTH
def test_what_is_missing_is_named(copied, folder, message, changes):
    shutil.rmtree(copied / "aclImdb" / folder)
    with pytest.raises(UserError, match=message):
        data(copied, **changes).setup("fit")


def test_where_nothing_is_left_to_train_on_it_says_so(tree):
    with pytest.raises(UserError, match=r"no review is left .*: 1 stand in the test set, 89 are held out"):
        data(tree, held_out=0.999).setup("fit")


def test_only_the_test_set_is_needed_to_test(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(tokenised_reviews, "ROOT", tmp_path / "nowhere")
    shutil.rmtree(copied / "aclImdb" / "train")
    datamodule = data(copied)
    datamodule.verify(training=False)
    assert datamodule.identity == {"test": 22}
    assert datamodule.left_out == ()
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(UserError, match="has no train"):
        data(copied).verify(training=True)


def identity(root, **changes):
    datamodule = data(root, **changes)
    datamodule.setup("fit")
    assert datamodule.state_dict() == datamodule.identity
    assert json.loads(json.dumps(datamodule.identity)) == datamodule.identity
    return datamodule.identity


def test_identity_says_what_there_is(tree):
    found = identity(tree)
    digest = found.pop("reviews")
    counts = {"test": 22, "train": 79, "unsupervised": 0, "left out": 1, "held out": 9, "held out twice": 1}
    assert found == counts
    masked = identity(tree, **MASKED)
    nothing = {"held out": 0, "held out twice": 0, "reviews": digest}
    assert masked == {"test": 22, "train": 89, "unsupervised": 68, "left out": 3} | nothing
    assert identity(tree, subwords=SIZE + 1)["reviews"] != digest
    assert data(tree).signature == {"classes": 2, "outside_text": "none"}


@pytest.mark.parametrize("changed", ["train/pos/9_9", "train/unsup/20_0"])
def test_identity_changes_with_a_training_review(tree, tmp_path, changed):
    assert identity(put(tmp_path, TEXTS | {changed: "another plot"})) != identity(tree)


def test_a_review_without_words_is_no_example_of_guessing_and_does_no_harm(tree):
    rows = rows_of(ready(data(tree, **MASKED)).train_dataloader())
    assert plain(TEXTS["train/neg/5_2"]).split() == []
    assert [answer for tokens, answer in rows if tokens == (BEGIN,)] == [()]
