"""Mistakes in what is given by name: the benchmark, DATA, PROFILE, DEVICES, NODES, SEEDS, VARIANT and ARGS."""

import shutil

from tests.benchmarks.mistakes import LONG, REPRODUCE, TRAIN, Case, empty_folder, text_file


def other_layout(desk):
    (desk.tmp / "bad/images/cats").mkdir(parents=True)


def broken_tree(change):
    def prepare(desk):
        shutil.copytree(desk.tree, desk.tmp / "bad")
        change(desk.tmp / "bad")

    return prepare


def other_classes(tree):
    (tree / "val/n90000007").rename(tree / "val/n80000007")


def truncate(split):
    def change(tree):
        path = tree / split / "n90000003"
        path = sorted(path.iterdir())[0]
        data = path.read_bytes()
        path.unlink()  # a hard link to the tree of every other test
        path.write_bytes(data[: len(data) // 2])

    return change


NO_DATA = "needs no data. Leave DATA=/data out"
EXPECTED_TREE = ("train/<wnid>/*.JPEG", "make data-imagenet")

CASES = [
    Case("unknown benchmark", "reproduce imagnet", ("no benchmark 'imagnet'", "Did you mean imagenet?")),
    Case("unknown benchmark, nothing near", "validate xyz --weights=a", ("no benchmark 'xyz'", "Known: ")),
    Case("unknown benchmark's data", "data imagnet --data=/x", ("Did you mean imagenet?",)),
    Case("no command", "", ("required", "command")),
    Case("an option cut short", "reproduce imagenet --dev=2", ("unrecognized arguments: --dev=2",)),
    Case("an option twice", "reproduce go --variant=dqn --variant=9x9", ("--variant: it stands twice. Give it once",)),
    # DATA
    Case("DATA does not exist", "reproduce imagenet --data={bad}", ("bad does not exist", "DATA", *EXPECTED_TREE)),
    Case("DATA is an empty string", "reproduce imagenet --data=", ("DATA is empty", "leave DATA out")),
    Case("run's DATA is an empty string", "run imagenet --seeds=0 --data=", ("DATA is empty",)),
    Case("DATA is an empty folder", "reproduce imagenet --data={bad}", ("is empty", *EXPECTED_TREE), empty_folder),
    Case("DATA has another layout", "reproduce imagenet --data={bad}", ("images", *EXPECTED_TREE), other_layout),
    Case("DATA is a file", "reproduce imagenet --data={bad}", ("bad is a file", "Set DATA to the folder"), text_file),
    Case("data without DATA", "data imagenet", ("make data-imagenet DATA=/path",)),
    Case("DATA of nobody's home", "data imagenet --data=~nobody-is-called-so/x", ("DATA=~nobody", "no such user")),
    Case("DATA with a long name", f"reproduce imagenet --data={LONG}", ("DATA=xxx", "File name too long. Give")),
    Case("DATA that is no UTF-8", "reproduce imagenet --data=/a\udcff", (r"DATA='/a\udcff' is no UTF-8", "Rename it")),
    Case("PACK with a long name", f"data imagenet --data={{tree}} --pack={LONG}", ("PACK=xxx", "too long")),
    Case("the hub without a name", "data imdb --data=hf:", ("DATA=hf: names no data set", "hf:stanfordnlp/imdb")),
    Case("the hub with a slash alone", "reproduce imdb --data=hf:/", ("DATA=hf:/ names no data set",)),
    Case("DATA without a benchmark's folder", "reproduce --data={tree}", ("has no folder called like a benchmark",)),
    Case("DATA of all does not exist", "reproduce --data={bad}", ("bad has no folder called like a benchmark",)),
    Case("DATA of all is an empty string", "reproduce --data=", ("DATA is empty", "leave DATA out")),
    Case("DATA for robots", "reproduce locomotion_run --data=/data", (f"locomotion_run {NO_DATA}",)),
    Case("DATA for a plan of Go", "plan go --data=/data", (f"go {NO_DATA}",)),
    Case("DATA for games", "validate go --data=/data --predictions={tree}", (f"go {NO_DATA}",)),
    Case(
        "classes of train and val differ", "reproduce imagenet --data={bad}",
        ("only in train: n90000007", "only in val: n80000007"), broken_tree(other_classes),
    ),
    Case(
        "no training data", "reproduce imagenet --data={bad}", ("holds val but no train",),
        broken_tree(lambda tree: shutil.rmtree(tree / "train")),
    ),
    Case(
        "a truncated training image", "run imagenet --seeds=0 --profile=mini --data={bad}",
        ("train/n90000003/n90000003_", "truncated JPEG", "1 of 160 images"), broken_tree(truncate("train")),
        early=False, leaves="results/runs",
    ),
    Case(
        "a truncated validation image", "run imagenet --seeds=0 --profile=mini --data={bad}",
        ("val/n90000003/ILSVRC2012_val_", "truncated JPEG", "1 of 37 images"), broken_tree(truncate("val")),
        early=False, leaves="results/runs",
    ),
    # PROFILE, DEVICES, NODES, SEEDS, VARIANT
    Case("unknown PROFILE", "reproduce imagenet --profile=fast", ("PROFILE=fast is unknown", "full", "mini")),
    Case("full without DATA", "reproduce imagenet --profile=full", ("full profile needs DATA=/path",)),
    Case("DEVICES=0", REPRODUCE + " --devices=0", ("DEVICES=0 is no whole number of at least 1",)),
    Case("DEVICES=abc", REPRODUCE + " --devices=abc", ("DEVICES=abc is no whole number",)),
    Case("DEVICES of many digits", REPRODUCE + f" --devices={'1' * 5000}", ("DEVICES=111", "at most 1,000,000")),
    Case("DEVICES=", REPRODUCE + " --devices=", ("DEVICES= is no whole number",)),
    Case("DEVICES does not divide the batch", TRAIN + " --devices=3", ("batch of 32", "DEVICES"), early=False),
    Case("more DEVICES than there are", TRAIN + " --devices=999", ("DEVICES=999", "this machine has 8"), early=False),
    Case("DEVICES=0 in ARGS", REPRODUCE + " --args=--trainer.devices=0", ("ARGS: devices is 0", "at least 1")),
    Case("NODES=0", REPRODUCE + " --nodes=0", ("NODES=0 is no whole number of at least 1",)),
    Case("NODES without a launcher", REPRODUCE + " --nodes=2", ("NODES=2 needs torchrun or srun", "README")),
    Case("SEEDS=a", REPRODUCE + " --seeds=a", ("SEEDS=a is no list of integers", "SEEDS=0,1,2")),
    Case("SEEDS=0,0", REPRODUCE + " --seeds=0,0", ("SEEDS=0,0", "once")),
    Case("SEEDS=-1", REPRODUCE + " --seeds=-1", ("SEEDS=-1", "from 0")),
    Case("SEEDS=", REPRODUCE + " --seeds=", ("SEEDS= is no list of integers",)),
    Case("a SEED too large for a generator", REPRODUCE + f" --seeds={2**64}", (str(2**64), "from 0 to 4294967295")),
    Case("run with two seeds", TRAIN.replace("=0 ", "=0,1 "), ("exactly one seed",)),
    Case("unknown VARIANT", REPRODUCE + " --variant=tiny", ("imagenet has no variant 'tiny'", "Known: default")),
    Case(
        "VARIANT of another folder", REPRODUCE + " --variant=../config",
        ("imagenet has no variant '../config'", "Known: default"),
    ),
    Case("VARIANT of a miniature", "reproduce imdb --variant=scratch.mini", ("no variant 'scratch.mini'", "scratch")),
    # ARGS
    Case(
        "a typo in an override", TRAIN + " --args=--trainer.max_epoch=3", ("max_epoch", "configuration"), early=False
    ),
    Case("a wrong type in ARGS", TRAIN + " --args=--trainer.max_epochs=abc", ("trainer.max_epochs",), early=False),
    Case("a class that is none", TRAIN + " --args=--model.class_path=lightning_modules.x.Y", ("model",), early=False),
    Case(
        "a class of somebody else's",
        TRAIN + " --args=--model.class_path=lightning.pytorch.demos.boring_classes.BoringModel",
        ("model", "does not correspond to a subclass of BenchmarkModule"), early=False,
    ),
    Case("threads that are none", REPRODUCE + " --args=--threads=abc", ("ARGS: threads is 'abc'", "at least 1")),
    Case("no threads", REPRODUCE + " --args=--threads=0", ("ARGS: threads is 0", "at least 1")),
    Case("ARGS that are no option", REPRODUCE + " --args=fast", ("ARGS: 'fast'", "--trainer.max_epochs 5")),
    Case("ARGS without a value", REPRODUCE + " --args=--trainer.max_epochs", ("ARGS", "with their values")),
    Case("ARGS that end in a quotation", REPRODUCE + ' --args=--a.b="3', ("ARGS", "No closing quotation")),
    Case("ARGS whose value is no YAML", REPRODUCE + " --args=--a.max_epochs=[3", ("--a.max_epochs", "YAML")),
    Case("ARGS that replace a section", REPRODUCE + " --args=--trainer=3", ("ARGS: trainer is 3", "trainer.<key>")),
    Case(
        "a plan's ARGS that replace a section", "plan imagenet --gpu=H200 --args=--trainer 3",
        ("ARGS: trainer is 3", "trainer.<key>"),
    ),
    Case("ARGS that name the seed", REPRODUCE + " --args=--data.init_args.seed=3", ("data.init_args.seed", "SEEDS=0")),
    Case(
        "ARGS with the seed of a stage", "reproduce imdb --args=--stages.pretraining.data.init_args.seed=3",
        ("--stages.pretraining.data.init_args.seed would be overruled", "SEEDS=0"),
    ),
    Case("ARGS that name DATA", REPRODUCE + " --args=--data.init_args.root=/x", ("data.init_args.root", "DATA=/path")),
]  # fmt: skip
