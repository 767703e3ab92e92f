"""Which policies are trained and where they drive."""

from dataclasses import dataclass

from bc_sim.appearance import AS_BUILT, Appearance

TASK = "conveyor_pick"
JUDGED = 5_000_000  # first scene that policies are judged in: none that was demonstrated, or chosen by elsewhere
_FIXED = (0.0, 0.0)
_AMBIENT = (AS_BUILT.ambient, AS_BUILT.ambient)
_DIFFUSE = (AS_BUILT.diffuse[0], AS_BUILT.diffuse[0])
PLAIN, LIGHT, TEXTURE = "as demonstrated", "changed light", "changed texture"
LOOKS: dict[str, Appearance | None] = {
    PLAIN: None,
    LIGHT: Appearance(lamp=(-1.5, 1.5), diffuse=(0.1, 0.9), ambient=(0.1, 0.6), colour=_FIXED, patterns=False),
    TEXTURE: Appearance(lamp=_FIXED, diffuse=_DIFFUSE, ambient=_AMBIENT, colour=(-0.25, 0.25), patterns=True),
}


@dataclass(frozen=True)
class Budget:
    """episodes: of demonstrations, by policy. steps, batch: of every policy's training. pretraining: steps on the
    unlabelled frames of all demonstrations. trials: scenes that every policy is judged in."""

    episodes: tuple[int, ...] = (10, 50, 200)
    steps: int = 2400
    batch: int = 32
    pretraining: int = 1500
    trials: int = 60


BUDGETS = {
    "quick": Budget(episodes=(2, 4), steps=20, batch=16, pretraining=20, trials=2),
    "gate": Budget(),
    "full": Budget(),
}


@dataclass(frozen=True)
class Pretraining:
    """An encoder to train on the pictures of all demonstrations."""

    arm: str
    task = TASK

    @property
    def name(self) -> str:
        return f"{self.arm}_pretraining"


@dataclass(frozen=True)
class Learner:
    """A policy to train: an arm, on the first so many demonstrations."""

    arm: str
    episodes: int
    seed: int = 0
    task = TASK

    @property
    def name(self) -> str:
        return f"{self.arm}_{self.episodes}_seed{self.seed}"


@dataclass(frozen=True)
class Trials:
    """A trained policy to judge in scenes of one look."""

    learner: Learner
    look: str
    task = TASK

    @property
    def arm(self) -> str:
        return self.learner.arm

    @property
    def name(self) -> str:
        return f"{self.learner.name}_{self.look.replace(' ', '_')}"


def learners(arms: tuple[str, ...], budget: Budget) -> list[Learner]:
    """The smaller data sets first: they show soonest whether anything is learnt."""
    return [Learner(arm, episodes) for episodes in budget.episodes for arm in arms]


def trials(learner: Learner, budget: Budget) -> list[Trials]:
    """Changed looks for the policies with most demonstrations, which have something to lose."""
    looks = tuple(LOOKS) if learner.episodes == max(budget.episodes) else (PLAIN,)
    return [Trials(learner, look) for look in looks]
