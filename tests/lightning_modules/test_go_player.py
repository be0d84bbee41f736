"""Players of Go: symmetries, what is remembered, losses by hand, and that they learn at all."""

import numpy as np
import pytest
import torch

from datamodules.environments.go_positions import LEGAL, PLANES, Positions, look_at_all
from datamodules.environments.matches import Matches
from datamodules.environments.self_play import SelfPlay
from lightning_modules import go_player
from lightning_modules.go_dqn import GoDQN
from lightning_modules.gumbel_alphazero import GumbelAlphaZero
from lightning_modules.networks.go_net import GoNet
from lightning_modules.symmetries import symmetries, turn
from lightning_modules.window import Window
from results.scoring.contest import Contest
from results.scoring.go_game import Game
from results.scoring.go_rules import keys, neighbours, worth

COMMON = {
    "blocks": 1, "channels": 8, "hidden": 8, "learning_rate": 2e-3, "weight_decay": 0.0, "batch": 32, "updates": 4,
    "window": 500,
}  # fmt: skip


@pytest.fixture
def player():
    torch.manual_seed(0)
    made = GumbelAlphaZero(simulations=8, considered=4, value_scale=1.0, owner_weight=0.5, **COMMON)
    made.build(5)
    made.log = lambda *_, **__: None
    return made


@pytest.fixture
def learner():
    torch.manual_seed(0)
    made = GoDQN(epsilon=0.05, decay=0.5, **COMMON)
    made.build(3)
    made.log = lambda *_, **__: None
    return made


def played(size, moves):
    game = Game(size, 0.5)
    for vertex in moves.split():
        game.play(game.move(vertex))
    return game


def seen(*games):
    return look_at_all(Positions.of(games), neighbours(games[0].size), keys(games[0].size))


KO = "B4 C4 A3 D3 B2 C2 E5 B3 C3"
"""On 5x5: Black has just taken B3; White may not take back at once."""


def test_what_is_seen_of_a_position():
    game = played(5, KO)
    planes, legal = seen(game)

    def points(plane):
        return {game.vertex(int(point)) for point in np.flatnonzero(planes[0][plane])}

    assert points(0) == {"C4", "D3", "C2"}, "own"
    assert points(1) == {"B4", "A3", "B2", "E5", "C3"}, "the other's"
    assert points(2) == {"C3"}, "one liberty"
    assert points(3) == {"E5", "C4", "C2"}, "two"
    assert points(4) == {"B4", "A3", "B2", "D3"}, "more"
    assert points(LEGAL) == {game.vertex(int(point)) for point in np.flatnonzero(game.legal()[:-1])}
    assert "B3" not in points(LEGAL)
    assert legal[0][-1]
    assert points(6) == {"C3"}, "the last move"
    assert not points(7), "White is to move"
    assert not points(8), "nobody passed"
    game.play(game.passing)
    planes, _ = seen(game)
    assert "B3" in points(1) | points(LEGAL), "Black may fill it"
    assert len(points(7)) == len(points(8)) == len(points(9)) == 25


def test_symmetries_are_those_of_the_square():
    maps = symmetries(3)
    assert len({tuple(each) for each in maps.tolist()}) == 8
    board = torch.arange(9)
    images = {tuple(turn(board[None], each[None, :-1])[0].tolist()) for each in maps}
    square = np.arange(9).reshape(3, 3)
    expected = {tuple(np.rot90(side, k).ravel().tolist()) for side in (square, square.T) for k in range(4)}
    assert images == expected
    assert (maps[:, -1] == 9).all(), "to pass is to pass"


def test_a_turned_game_is_seen_turned():
    game = wander(5, 12)
    for each in symmetries(5):
        place_of = each.argsort()
        turned = Game(5, 0.5)
        for move in game.moves:
            turned.play(int(place_of[move]))
        planes, _ = seen(game)
        expected = turn(torch.from_numpy(planes), each[None, :-1])
        assert torch.equal(expected, torch.from_numpy(seen(turned)[0]))


def wander(size, plies):
    rng, game = np.random.default_rng(plies), Game(size, 0.5)
    for _ in range(plies):
        game.play(int(rng.choice(np.flatnonzero(game.legal()[:-1]))))
    return game


def test_the_window_keeps_the_newest_rows():
    window = Window(5)
    window.add({"a": torch.arange(3)})
    window.add({"a": torch.arange(3, 7)})
    assert sorted(window.columns["a"].tolist()) == [2, 3, 4, 5, 6]
    again = Window(5)
    again.restore(window.state())
    assert torch.equal(again.columns["a"], window.columns["a"])
    assert (again.added, len(again)) == (7, 5)
    again.add({"a": torch.tensor([7])})
    assert sorted(again.columns["a"].tolist()) == [3, 4, 5, 6, 7]
    torch.manual_seed(0)
    assert set(again.sample(100)["a"].tolist()) == {3, 4, 5, 6, 7}


def test_a_player_says_how_large_its_window_will_become(player):
    player.window.add({"a": torch.zeros(100, 3)})
    assert [player.to_come(share) for share in (0.5, 0.1)] == [100 * 12, 400 * 12], "of 500 positions, a full one"


def test_the_playing_copy_says_what_the_network_says():
    torch.manual_seed(0)
    net = GoNet(5, PLANES, 2, 8, 16)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    planes = torch.from_numpy(seen(wander(5, 6), wander(5, 9))[0]).float()
    with torch.no_grad():
        for ours, theirs in zip(net.fused()(planes), net.eval()(planes), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_what_is_lived_through_is_told_from_whose_move_it_was():
    games = SelfPlay(games=2, size=3, komi=0.5, share=2, seed=5)
    first = [games.positions.boards[row].copy() for row in range(2)]
    assert [sorted(board.tolist()) for board in first] == [[-1, *[0] * 7, 1]] * 2, "a stone of each colour"
    policy, passing = np.full((2, 10), 0.1, np.float32), np.array([9, 9])
    assert games.play(passing, policy) is None
    lived = games.play(passing, policy)
    assert lived.moves.tolist() == [9] * 4
    assert lived.ends.tolist() == [False, True] * 2
    for row, board in enumerate(first):
        game = Game(3, 0.5)
        game.board[:] = board
        expected = worth(game.margin(), 3)
        np.testing.assert_allclose(lived.outcomes[2 * row : 2 * row + 2], [expected, -expected], rtol=1e-6)
        assert (lived.owners[2 * row] == game.owners()).all()
        assert (lived.owners[2 * row + 1] == -game.owners()).all()
    assert (games.over, games.begun) == (2, 4)
    assert games.positions.plies.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("names", "score"), [(["000-black"], 100), (["000-white"], 0), (["000-black", "000-white"], 50)]
)
def test_points_are_the_agents_whatever_its_colour(player, monkeypatch, names, score):
    """Black, who alone has put stones, has won each of the games."""
    moves, logged = [12, 25, 7, 25, 25], {}
    monkeypatch.setattr(go_player, "play_matches", lambda *_: [{"moves": moves}] * len(names))
    player.log = lambda name, value, **_: logged.update({name: value})
    player.validation_step(Matches(Contest(5, 0.5, 1), names, 0), 0)
    assert logged == {"val/score": score}


def test_a_game_that_nobody_ends_is_over_after_two_moves_a_point():
    """Who can put a stone does, so that there are never two passes."""
    games, rng, lived = SelfPlay(games=1, size=5, komi=0.5, share=1, seed=0), np.random.default_rng(3), None
    while lived is None:
        moves = np.flatnonzero(games.look()[1][0])
        lived = games.play(rng.choice(moves[:-1] if len(moves) > 1 else moves, 1), np.zeros((1, 26), np.float32))
    assert len(lived.moves) == 50 - 2, "all but the opening"
    assert lived.moves[-2:].tolist() != [25, 25]


def test_running_games_go_on_from_a_checkpoint(player):
    def lived(games, plies):
        player.begin_playing()
        found = []
        for ply in range(plies):
            torch.manual_seed(ply)
            found.append(games.play(*player.decide(games)))
        return found

    whole, begun = SelfPlay(3, 5, 0.5, 3, 1), SelfPlay(3, 5, 0.5, 3, 1)
    lived(whole, 20), lived(begun, 20)
    resumed = SelfPlay(3, 5, 0.5, 3, 99)
    resumed.seed = 1
    resumed.restore(begun.state())
    for ours, theirs in zip(lived(resumed, 60), lived(whole, 60), strict=True):
        assert (ours is None) == (theirs is None)
        for a, b in zip(ours or (), theirs or (), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_loss_of_alphazero_by_hand(player):
    torch.manual_seed(3)
    rows = {
        "planes": torch.from_numpy(seen(wander(5, 4))[0]), "policies": torch.zeros(1, 26),
        "outcomes": torch.tensor([0.5]), "owners": torch.ones(1, 25, dtype=torch.int8),
    }  # fmt: skip
    rows["policies"][0, 25] = 1.0
    player.network.eval()
    torch.manual_seed(4)
    found = player.loss(rows)
    torch.manual_seed(4)
    maps = symmetries(5)[torch.randint(8, (1,))]
    logits, value, owned = player.network(turn(rows["planes"], maps[:, :-1]).float())
    policy = -torch.log_softmax(logits, 1)[0, 25]
    expected = policy + (value - 0.5).square() + 0.5 * -torch.log(torch.sigmoid(owned)).mean()
    torch.testing.assert_close(found, expected.squeeze())


def test_the_target_of_q_learning_by_hand(learner):
    """Where the game went on, it is less what the other's best legal move is worth by the copy that played."""
    learner.begin_playing()
    learner.network.moves.bias.data += torch.randn(10)  # so that the two disagree
    game = played(3, "B2 A1 C3")
    planes, legal = seen(game, game)
    successors = torch.from_numpy(planes).float()
    learner.network.eval()
    found = learner.target(successors, torch.tensor([False, True]), torch.tensor([0.0, 0.75]))
    with torch.no_grad():
        ours = np.where(legal[0], learner.network(successors)[0][0].numpy(), -np.inf)
        theirs = learner.playing[0](successors)[0][0].numpy()
    assert found[0].item() == pytest.approx(-theirs[ours.argmax()], abs=1e-6)
    assert found[1].item() == 0.75


def test_q_learning_turns_moves_as_it_turns_boards(learner):
    """With a network that names its input's last move, the value looked up is that of the move, however turned."""
    rows = {
        "planes": torch.zeros(64, PLANES, 9, dtype=torch.uint8), "moves": torch.arange(64) % 9,
        "successors": torch.zeros(64, PLANES, 9, dtype=torch.uint8), "ends": torch.ones(64, dtype=torch.bool),
        "outcomes": torch.ones(64),
    }  # fmt: skip
    rows["planes"][torch.arange(64), 6, rows["moves"]] = 1

    class Telling(torch.nn.Module):
        size = 3

        def forward(self, planes):
            return torch.cat([planes[:, 6], torch.zeros(len(planes), 1)], 1), None, None

    learner.network = Telling()
    learner.playing = [Telling()]
    assert learner.loss(rows).item() == 0


@pytest.mark.parametrize("name", ["player", "learner"])
def test_moves_are_legal_and_without_chance(name, request):
    agent = request.getfixturevalue(name)
    size = agent.network.size
    games = [wander(size, plies) for plies in (0, 2, 4)]
    moves = agent.choose(games)
    assert all(game.legal()[move] for game, move in zip(games, moves, strict=True))
    assert moves == agent.choose(games)


def test_every_update_computes_with_the_newest_weights(player):
    """Autocast keeps a copy of the weights in bf16 for as long as its context lasts, which is a whole training step."""
    rows = SelfPlay(games=8, size=5, komi=0.5, share=8, seed=0)
    player.begin_playing()
    while len(player.window) < 100:
        lived = rows.play(*player.decide(rows))
        if lived is not None:
            player.window.add(player.rows(lived))
    start = {name: value.clone() for name, value in player.state_dict().items()}

    def learnt(update):
        player.load_state_dict(start)
        optimizer = player.configure_optimizers()
        torch.manual_seed(0)
        update(optimizer)
        return torch.cat([weight.detach().flatten() for weight in player.network.parameters()])

    def apart(optimizer):
        for _ in range(player.updates):
            with torch.autocast("cpu", torch.bfloat16):
                player.learn(optimizer, 1)

    def together(optimizer):
        with torch.autocast("cpu", torch.bfloat16):
            player.learn(optimizer, player.updates)

    assert torch.equal(learnt(together), learnt(apart))
