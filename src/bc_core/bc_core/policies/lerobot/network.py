"""Encoder and head of a policy in LeRobot's architecture."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bc_core.contract import Contract
from bc_core.encoding import Encoding
from bc_core.errors import BcError
from bc_core.policies.config import PolicyConfig
from bc_core.policies.features import stream_width
from bc_core.policies.lerobot.act import LeRobotActHead
from bc_core.policies.lerobot.cameras import KeypointEncoder, Pixels
from bc_core.policies.lerobot.config import LeRobotActConfig, LeRobotConfig, LeRobotDiffusionConfig
from bc_core.policies.lerobot.diffusion import LeRobotDiffusionHead
from bc_core.policies.network import Network
from bc_core.policies.resnet import FrozenNorm, ResNet, grid
from bc_core.policies.trunks import Size


def lerobot_network(contract: Contract, config: PolicyConfig, head: LeRobotConfig, size: Size) -> Network:
    """BcError: settings that such a policy cannot have."""
    _check(contract, config, head)
    shapes = {}
    state = environment = 0
    for stream in config.observations:
        observation = contract.observations[stream]
        if observation.is_image:
            shapes[stream] = observation.shape[0], observation.shape[1]
        elif stream in head.environment:
            environment += stream_width(observation)
        else:
            state += stream_width(observation)
    if isinstance(head, LeRobotActConfig):
        return LeRobotActNetwork(size, head, state, environment, shapes)
    assert isinstance(head, LeRobotDiffusionConfig)
    return LeRobotDiffusionNetwork(size, head, state, environment, shapes, config.n_obs_steps)


class LeRobotNetwork(Network):
    """shapes: camera -> height and width of its images."""

    def __init__(self, shapes: Mapping[str, tuple[int, int]]) -> None:
        super().__init__()
        self.pixels = nn.ModuleDict({stream: Pixels() for stream in shapes})


class LeRobotActNetwork(LeRobotNetwork):
    """One backbone for all cameras; the embedding is state, environment and the projected cells of its maps."""

    def __init__(
        self, size: Size, config: LeRobotActConfig, state: int, environment: int, shapes: Mapping[str, tuple[int, int]]
    ) -> None:
        super().__init__(shapes)
        if shapes:
            self.backbone = ResNet(config.backbone, FrozenNorm)
            self.projection = nn.Conv2d(self.backbone.channels, size.width, 1)
        self.head = LeRobotActHead(size, config, state, environment, [grid(*shape) for shape in shapes.values()])

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        parts = [features]
        for stream, pixels in self.pixels.items():
            maps = self.projection(self.backbone(pixels(images[stream][:, -1])))
            parts.append(maps.flatten(2).transpose(1, 2).flatten(1))
        return torch.cat(parts, dim=1)


class LeRobotDiffusionNetwork(LeRobotNetwork):
    """The embedding is state, keypoints of every camera and environment of the oldest tick, ..., of the newest."""

    def __init__(
        self,
        size: Size,
        config: LeRobotDiffusionConfig,
        state: int,
        environment: int,
        shapes: Mapping[str, tuple[int, int]],
        n_obs_steps: int,
    ) -> None:
        super().__init__(shapes)
        self.split = (state, environment)
        shared = list(shapes.values())[:1] if config.shared_encoder else list(shapes.values())
        self.encoders = nn.ModuleList(KeypointEncoder(shape, config) for shape in shared)
        width = state + environment + 2 * config.keypoints * len(shapes)
        self.head = LeRobotDiffusionHead(size, config, n_obs_steps * width, n_obs_steps - 1)

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        state, environment = features.unflatten(1, (-1, sum(self.split))).split(self.split, dim=2)
        parts = [state]
        for index, (stream, pixels) in enumerate(self.pixels.items()):
            encoder = self.encoders[index % len(self.encoders)]
            keypoints = encoder(pixels(images[stream].flatten(0, 1)))
            parts.append(keypoints.unflatten(0, images[stream].shape[:2]))
        return torch.cat([*parts, environment], dim=2).flatten(1)


def _check(contract: Contract, config: PolicyConfig, head: LeRobotConfig) -> None:
    where = f"a {head.type} policy"
    if config.encoding != Encoding.ABSOLUTE or config.relations:
        raise BcError(f"{where} sees and says plain numbers: set encoding: absolute, and no relations")
    cameras = [stream for stream in config.observations if contract.observations[stream].is_image]
    for stream in cameras:
        if contract.observations[stream].encoding != "rgb8":
            encoding = contract.observations[stream].encoding
            raise BcError(f"{where} sees rgb8 images, contract '{contract.name}' says {encoding} for '{stream}'")
    strange = [stream for stream in head.environment if stream not in config.observations or stream in cameras]
    if strange:
        raise BcError(f"policy.environment names '{strange[0]}', which is no numeric stream of policy.observations")
    if not cameras and not head.environment:
        raise BcError(f"{where} needs a camera, or streams in policy.environment")
    if isinstance(head, LeRobotActConfig):
        if config.n_obs_steps != 1:
            raise BcError(f"{where} sees one tick: set n_obs_steps: 1 (it is {config.n_obs_steps})")
        if config.width % (4 if cameras else 1) or config.width % head.attention_heads:
            raise BcError(
                f"policy.width = {config.width} must be a multiple of attention_heads = {head.attention_heads} and of 4"
            )
    if isinstance(head, LeRobotDiffusionConfig):
        _check_diffusion(contract, config, head, cameras)


def _check_diffusion(
    contract: Contract, config: PolicyConfig, head: LeRobotDiffusionConfig, cameras: list[str]
) -> None:
    if config.blocks != 2:
        raise BcError(f"policy.blocks = {config.blocks}: a lerobot_diffusion policy has 2 per resolution")
    if any(channels % head.groups for channels in head.channels) or not head.channels or head.channels[0] % 8:
        raise BcError(f"policy.channels = {list(head.channels)} must be multiples of groups = {head.groups} and of 8")
    if head.kernel % 2 == 0 or config.width % 2 or config.width < 4:
        raise BcError(
            f"policy.kernel = {head.kernel} must be odd, and policy.width = {config.width} even and at least 4"
        )
    shapes = {contract.observations[stream].shape for stream in cameras}
    if len(shapes) > 1:
        raise BcError(f"cameras of a lerobot_diffusion policy have one shape, not {sorted(shapes)}")
    for name, pair in (("resize", head.resize), ("crop", head.crop)):
        if len(pair) not in (0, 2) or 0 in pair:
            raise BcError(f"policy.{name} = {list(pair)} must be [height, width], or [] for none")
    for shape in shapes:
        sides = head.resize or shape
        if head.crop and (head.crop[0] > sides[0] or head.crop[1] > sides[1]):
            raise BcError(f"policy.crop = {list(head.crop)} is larger than the image, {list(sides[:2])}")
