"""What a mistake of a user is, and what those of several kinds share; `test_bad_input_commands.py` makes them all."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A mistake: the command, what its message must say, and what must be there before.

    `{tree}` is a good tree of 37 validation images, `{bad}` what `prepare` made. `early` mistakes need no torch.
    """

    name: str
    command: str
    says: tuple[str, ...]
    prepare: object = None
    early: bool = True
    leaves: str = "nothing"  # a path prefix below which files may be left behind

    @property
    def edits(self):
        """Whether the mistake is in the copy of the packages."""
        return self.prepare is not None and self.prepare.__qualname__.startswith(("edited", "rewritten"))

    def arguments(self, desk):
        options, args, overrides = self.command.partition(" --args=")
        words = options.split() + ([f"--args={overrides}"] if args else [])
        return [word.format(tree=desk.tree, bad=desk.tmp / "bad", root=desk.root) for word in words]


TRAIN = "run imagenet --seeds=0 --profile=mini --data={tree}"
REPRODUCE = "reproduce imagenet --profile=mini --data={tree}"
LONG = "x" * 300


# What `prepare` makes ready, as `tmp / "bad"` or in the copy of the packages.


def empty_folder(desk):
    (desk.tmp / "bad").mkdir()


def text_file(desk):
    (desk.tmp / "bad").write_text("no checkpoint, no folder")
