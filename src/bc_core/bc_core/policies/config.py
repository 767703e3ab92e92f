"""Settings of a policy and of its training, as in config/policies/."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from bc_core.commands import SOURCES
from bc_core.dagger.asked import LABEL
from bc_core.dagger.weights import PartWeights
from bc_core.encoding import Encoding
from bc_core.episode_writer import OUTCOMES
from bc_core.errors import BcError
from bc_core.idle import IdleRule
from bc_core.mask import Mask
from bc_core.policies.abilities import masks_of
from bc_core.policies.heads.config import HEADS, HeadConfig
from bc_core.policies.lerobot.config import LEROBOT_HEADS
from bc_core.policies.vision.config import VisionConfig
from bc_core.schema import Section, read_settings

TYPES: dict[str, type[HeadConfig]] = {**HEADS, **LEROBOT_HEADS}


@dataclass(frozen=True)
class PolicyConfig:
    """What defines the policy itself; stored in its checkpoint. In a file all keys lie side by side, with `type`.

    observations: streams it sees. n_obs_steps: history. horizon H [ticks]. encoding: of joints and poses. row_floor:
    see normalisation.fit_actions. relations: pairs of streams; the position of the first relative to the second is a
    feature. width, blocks, dropout: of the trunk that every head has. head: settings of the action head. vision: image
    encoders of the cameras.
    """

    observations: tuple[str, ...]
    relations: tuple[tuple[str, str], ...]
    n_obs_steps: int
    horizon: int
    encoding: Encoding
    row_floor: float
    width: int
    blocks: int
    dropout: float
    head: HeadConfig
    vision: VisionConfig = field(default_factory=VisionConfig)

    @property
    def masks(self) -> frozenset[Mask]:
        """What such a policy can do with a prefix."""
        return masks_of(self.head.abilities)

    @property
    def given(self) -> "PolicyConfig":
        """As configured: without what was found in the folders of pre-trained backbones."""
        return replace(self, vision=self.vision.given)

    @classmethod
    def from_section(cls, section: Section) -> "PolicyConfig":
        head = TYPES[section.text("type", choices=tuple(TYPES))]
        config = cls(
            observations=section.texts("observations"),
            relations=tuple(_relation(pair) for pair in section.section_list("relations", default=())),
            n_obs_steps=section.integer("n_obs_steps", minimum=1, maximum=100),
            horizon=section.integer("horizon", minimum=2, maximum=256),
            encoding=Encoding(section.text("encoding", choices=tuple(Encoding))),
            row_floor=section.number("row_floor", minimum=0.0, maximum=1.0),
            width=section.integer("width", minimum=8, maximum=8192),
            blocks=section.integer("blocks", minimum=1, maximum=64),
            dropout=section.number("dropout", minimum=0.0, maximum=0.9),
            head=read_settings(head, section),
            vision=VisionConfig.from_section(section.section("vision", {})),
        )
        section.finish()
        return config

    def to_document(self) -> dict[str, Any]:
        document = asdict(self)
        head = document.pop("head")
        del document["vision"]
        vision = {"vision": self.vision.to_document()} if self.vision.encoders else {}
        return {
            "type": self.head.type,
            **document,
            "observations": list(self.observations),
            "relations": [{"of": of, "to": to} for of, to in self.relations],
            "encoding": str(self.encoding),
            **head,
            **vision,
        }


def _relation(section: Section) -> tuple[str, str]:
    pair = section.text("of"), section.text("to")
    section.finish()
    return pair


@dataclass(frozen=True)
class DataConfig:
    """Which recorded ticks are trained on.

    sources: whose commands; "label": what an expert answered that was asked (bc_core.dagger.asked). outcomes: of which
    episodes, save for labels. pad_end: where nobody commands until the end of the episode, the reference stands, and
    rows past it are trained as standing. weights: how often frames are drawn, by who acted. idle: what frames weigh
    where the command stands still; none: as others.
    """

    sources: tuple[str, ...]
    outcomes: tuple[str, ...]
    pad_end: bool
    weights: PartWeights = field(default_factory=PartWeights)
    idle: IdleRule | None = None

    @classmethod
    def from_section(cls, section: Section) -> "DataConfig":
        config = cls(
            sources=section.texts("sources", choices=(*SOURCES, LABEL)),
            outcomes=section.texts("outcomes", choices=OUTCOMES),
            pad_end=section.boolean("pad_end"),
            weights=PartWeights.from_section(section.section("weights", {})),
            idle=IdleRule.from_section(section.section("idle")) if section.has("idle") else None,
        )
        section.finish()
        return config


@dataclass(frozen=True)
class StreamDropout:
    """With this probability, of a frame of a batch all features of `streams` are their means: a policy that can copy
    what the robot does from what its joints say shall look at the scene, too."""

    probability: float
    streams: tuple[str, ...]

    @classmethod
    def from_section(cls, section: Section) -> "StreamDropout":
        dropout = cls(
            probability=section.number("probability", minimum=0.0, maximum=1.0), streams=section.texts("streams")
        )
        section.finish()
        return dropout


@dataclass(frozen=True)
class OptimiserConfig:
    """steps, batch: gradient steps and frames in each. noise_draws: noise samples per frame, which share its encoding.

    learning_rate: peak, reached after `warmup` steps, then a cosine to 0. ema: decay of the averaged weights, which are
    those that are saved. observation_noise: standard deviation of the noise on normalised features, against drift off
    the demonstrated states. validation: part of the episodes kept out. threads: of torch. precision: 32-true, or
    bf16-mixed, which is faster where the hardware computes in bfloat16. save_every: steps after which a run is saved,
    so that it can be resumed. proprioception_dropout: none unless it is given.
    """

    steps: int
    batch: int
    noise_draws: int
    learning_rate: float
    weight_decay: float
    warmup: int
    ema: float
    observation_noise: float
    validation: float
    seed: int
    threads: int
    precision: str = "32-true"
    save_every: int = 500
    proprioception_dropout: StreamDropout | None = None

    @classmethod
    def from_section(cls, section: Section) -> "OptimiserConfig":
        config = cls(
            steps=section.integer("steps", minimum=1),
            batch=section.integer("batch", minimum=1),
            noise_draws=section.integer("noise_draws", 1, minimum=1),
            learning_rate=section.number("learning_rate", minimum=1e-8, maximum=1.0),
            weight_decay=section.number("weight_decay", minimum=0.0, maximum=1.0),
            warmup=section.integer("warmup"),
            ema=section.number("ema", minimum=0.0, maximum=0.999999),
            observation_noise=section.number("observation_noise", 0.0, minimum=0.0, maximum=1.0),
            validation=section.number("validation", minimum=0.0, maximum=0.9),
            seed=section.integer("seed", maximum=2**63 - 1),
            threads=section.integer("threads", minimum=1, maximum=1024),
            precision=section.text("precision", "32-true", choices=("32-true", "bf16-mixed")),
            save_every=section.integer("save_every", 500, minimum=1),
            proprioception_dropout=(
                StreamDropout.from_section(section.section("proprioception_dropout"))
                if section.has("proprioception_dropout")
                else None
            ),
        )
        section.finish()
        return config


@dataclass(frozen=True)
class TrainConfig:
    """A whole training configuration file."""

    policy: PolicyConfig
    data: DataConfig
    training: OptimiserConfig

    @classmethod
    def load(cls, path: str | Path) -> "TrainConfig":
        """Read and validate a YAML file; BcError names file, key, value and remedy."""
        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BcError(f"policy configuration '{path}' cannot be read ({error.strerror}): give its path") from error
        except yaml.YAMLError as error:
            raise BcError(f"policy configuration '{path}' is not valid YAML: {error}") from error
        return cls.from_document(document, str(path))

    @classmethod
    def from_document(cls, document: object, where: str) -> "TrainConfig":
        root = Section(document, f"policy configuration '{where}'")
        config = cls(
            policy=PolicyConfig.from_section(root.section("policy")),
            data=DataConfig.from_section(root.section("data")),
            training=OptimiserConfig.from_section(root.section("training")),
        )
        root.finish()
        return config
