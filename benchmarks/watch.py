"""A checkpoint's policy, watched: one episode of its test as a short animation."""

from argparse import Namespace

from benchmarks.errors import UserError
from benchmarks.files import replacing
from benchmarks.loaded import load
from benchmarks.paths import relative, run_folder
from benchmarks.strict import load_claim


def watch(options: Namespace) -> None:
    """Writes `gait.gif` into the folder of the run that CHECKPOINT is of.

    Raises:
        UserError: there is no such checkpoint, or it is not of a robot.
    """
    if not options.checkpoint:
        raise UserError(f"say which policy: make watch-{options.benchmark} CHECKPOINT=run.ckpt")
    if load_claim(options.benchmark).task != "control":
        raise UserError(f"{options.benchmark} has nothing that moves; the sheet.html of a run shows what went wrong.")
    loaded = load(options)
    from benchmarks.gait import A_SECOND, episode, pictures

    environments, positions, played = episode(loaded)
    how, shown = pictures(environments, positions)
    path = run_folder(options.benchmark, loaded.run.run_id) / "gait.gif"
    with replacing(path) as file:
        shown[0].save(file, "GIF", save_all=True, append_images=shown[1:], loop=0, duration=1000 // A_SECOND)
    print(
        f"{environments.environment}, seed {played.seeds[0]}: {played.lengths[0]} steps, return {played.returns[0]:.1f}"
    )
    print(f"animation  {relative(path)} (the first {len(shown) / A_SECOND:.0f} s, {how})")
