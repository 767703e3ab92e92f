"""Push-T: a round tool, commanded by position, pushes a T-shaped block over a table into a fixed pose.

The quasi-static check: nothing moves unless it is pushed, so a late chunk costs little. Pushing is quasi-static and
without friction between tool and block; the block's friction on the table is an ellipsoidal limit surface (Goyal et al.
1991; Lynch, Mason 1996). The task is that of Florence et al. (arXiv 2109.00137) and Diffusion Policy (2303.04137).
"""

import math

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

TOOL, BLOCK, ANGLE, TICK = slice(0, 2), slice(2, 4), 4, 5
UNIT = 0.06  # [m]
CENTRES = torch.tensor([[0.0, 0.75 * UNIT], [0.0, -1.25 * UNIT]])  # bar and stem, from the block's centre of area
HALVES = torch.tensor([[2.0 * UNIT, 0.5 * UNIT], [0.5 * UNIT, 1.5 * UNIT]])
CANDIDATE, PHASE = 0, 1  # of an expert's memory
TRAVEL, PUSH = 0.0, 1.0


class PushT(Task):
    """State: tool x, y, block x, y [m], its angle [rad], tick. Action: commanded tool position / SPAN.

    Solved: the block is within NEAR [m] and TURNED [rad] of the goal, which is the origin, upright.
    """

    name = "pusht"
    ticks = 300
    observation_width = 8
    action_width = 2
    force_controlled = False
    action_noise = 0.002

    SPAN = 0.5  # of the table [m]
    LAG = 0.5  # share of the way to the command that the tool covers in a tick
    FASTEST = 0.02  # [m / tick]
    RADIUS = 0.03  # of the tool [m]
    GYRATION = 0.07  # of the limit surface: moment over force [m]
    NEAR, TURNED = 0.02, 0.12
    SUBSTEPS = 4

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        way = uniform(count, -math.pi, math.pi, generator)
        far = uniform(count, 0.05, 0.18, generator)
        block = torch.stack([far * torch.cos(way), far * torch.sin(way)], dim=1)
        angle = uniform(count, -1.2, 1.2, generator)
        side = uniform(count, -math.pi, math.pi, generator)
        tool = block + RING * torch.stack([torch.cos(side), torch.sin(side)], dim=1)
        return torch.cat([tool, block, angle[:, None], torch.zeros(count, 1)], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Tool, block, cosine and sine of its angle, tool in the block's frame."""
        angle = state[:, ANGLE : ANGLE + 1]
        seen = _rotated(state[:, TOOL] - state[:, BLOCK], -state[:, ANGLE])
        return torch.cat([state[:, TOOL], state[:, BLOCK], torch.cos(angle), torch.sin(angle), seen], dim=1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        tool, block, angle = state[:, TOOL], state[:, BLOCK], state[:, ANGLE]
        way = self.LAG * (self.SPAN * action - tool)
        length = way.norm(dim=1, keepdim=True)
        way = way * (self.FASTEST / length.clamp(min=self.FASTEST))
        for _ in range(self.SUBSTEPS):
            tool = tool + way / self.SUBSTEPS
            local = _rotated(tool - block, -angle)
            distance, normal = outline(local)
            depth = (self.RADIUS - distance).clamp(min=0.0)
            moment = _cross(local - normal * distance[:, None], -normal)
            pushed = depth / (1.0 + (moment / self.GYRATION) ** 2)
            block = block - pushed[:, None] * _rotated(normal, angle)
            angle = angle + pushed * moment / self.GYRATION**2
        return torch.cat([tool, block, angle[:, None], state[:, TICK:] + 1.0], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return (state[:, BLOCK].norm(dim=1) < self.NEAR) & (_wrapped(state[:, ANGLE]).abs() < self.TURNED)

    def failed(self, state: Tensor) -> Tensor:
        return state[:, BLOCK].abs().amax(1) > self.SPAN

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Memory: contact point chosen (-1: none), phase; then what this expert thinks each contact point costs [m]."""
        taste = uniform(count * len(CONTACTS), 0.0, 0.01, generator).reshape(count, -1)
        return torch.cat([torch.full((count, 1), -1.0), torch.zeros(count, 1), taste], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Push where it helps most, for as long as it helps; go round the block to the next place."""
        tool, block, angle = state[:, TOOL], state[:, BLOCK], state[:, ANGLE]
        chosen, phase = style[:, CANDIDATE].long(), style[:, PHASE]
        helps = _helps(self, block, angle, chosen.clamp(min=0))
        free = (chosen < 0) | ((phase == PUSH) & ~helps)
        best = _best(self, tool, block, angle, style[:, 2:])
        chosen, phase = torch.where(free, best, chosen), torch.where(free, TRAVEL, phase)
        normal = _rotated(NORMALS[chosen], angle)
        contact = block + _rotated(CONTACTS[chosen], angle)
        ready = contact + (self.RADIUS + 0.02) * normal
        phase = torch.where((phase == TRAVEL) & ((tool - ready).norm(dim=1) < 0.012), PUSH, phase)
        target = torch.where((phase == PUSH)[:, None], _pressing(tool, contact, normal), _round(tool, block, ready))
        memory = torch.cat([chosen[:, None].float(), phase[:, None], style[:, 2:]], dim=1)
        return (target / self.SPAN).clamp(-1.0, 1.0), memory


RING = 0.24
"""Radius of the circle on which the tool goes round the block [m]."""


def outline(local: Tensor) -> tuple[Tensor, Tensor]:
    """Signed distance (N,) of points (N, 2) in the block's frame to the T, and its outward normal (N, 2)."""
    offset = local[:, None] - CENTRES
    beyond = offset.abs() - HALVES
    outside = beyond.clamp(min=0.0)
    length = outside.norm(dim=2)
    distance = length + beyond.amax(2).clamp(max=0.0)
    axis = torch.nn.functional.one_hot(beyond.argmax(2), 2).to(local.dtype)
    normal = torch.where(length[..., None] > 0.0, outside / length[..., None].clamp(min=1e-9), axis) * offset.sign()
    box = distance.argmin(1)
    rows = torch.arange(len(local))
    return distance[rows, box], normal[rows, box]


def _contacts() -> tuple[Tensor, Tensor]:
    """Places on the outline where a straight push makes sense, (K, 2), and their outward normals."""
    points, normals = [], []
    for x in torch.linspace(-1.8 * UNIT, 1.8 * UNIT, 7).tolist():
        points.append((x, 1.25 * UNIT))
        normals.append((0.0, 1.0))
        if abs(x) > 1.15 * UNIT:
            points.append((x, 0.25 * UNIT))
            normals.append((0.0, -1.0))
    points.append((0.0, -2.75 * UNIT))
    normals.append((0.0, -1.0))
    for side in (-1.0, 1.0):
        points.append((2.0 * side * UNIT, 0.75 * UNIT))
        normals.append((side, 0.0))
        for y in (-2.5, -1.8, -1.1):
            points.append((0.5 * side * UNIT, y * UNIT))
            normals.append((side, 0.0))
    return torch.tensor(points), torch.tensor(normals)


CONTACTS, NORMALS = _contacts()


def _cost(block: Tensor, angle: Tensor) -> Tensor:
    """Distance from the goal [m], with an angle counted at the limit surface's radius."""
    return torch.sqrt(block.square().sum(-1) + (PushT.GYRATION * _wrapped(angle)) ** 2)


def _pushed(task: PushT, block: Tensor, angle: Tensor, chosen: Tensor, length: float) -> Tensor:
    """Cost (N, ...) after a straight push of `length` [m] at the chosen contact points (N, ...)."""
    moment = _cross(CONTACTS[chosen], -NORMALS[chosen])
    share = length / (1.0 + (moment / task.GYRATION) ** 2)
    moved = block - share[..., None] * _rotated(NORMALS[chosen], angle)
    return _cost(moved, angle + share * moment / task.GYRATION**2)


def _helps(task: PushT, block: Tensor, angle: Tensor, chosen: Tensor) -> Tensor:
    return _pushed(task, block, angle, chosen, 0.005) < _cost(block, angle) - 0.0005


def _best(task: PushT, tool: Tensor, block: Tensor, angle: Tensor, taste: Tensor) -> Tensor:
    """(N,) the contact point whose push, of the best of some lengths, brings the block nearest, the way counted in."""
    everyone = torch.arange(len(CONTACTS)).expand(len(tool), -1)
    wide = angle[:, None].expand(-1, len(CONTACTS))
    lengths = (0.01, 0.02, 0.04, 0.08, 0.12)
    after = torch.stack([_pushed(task, block[:, None], wide, everyone, length) for length in lengths]).amin(0)
    way = (block[:, None] + _rotated(CONTACTS[everyone], wide) - tool[:, None]).norm(dim=2)
    return (after + 0.03 * way + taste).argmin(1)


def _pressing(tool: Tensor, contact: Tensor, normal: Tensor) -> Tensor:
    """On along the inward normal, on the line of the contact point."""
    aside = tool - contact
    aside = aside - (aside * normal).sum(1, keepdim=True) * normal
    return tool - aside - 0.02 * normal


def _round(tool: Tensor, block: Tensor, ready: Tensor) -> Tensor:
    """Out to the ring, along it on the shorter side, and in to the place from which the push begins."""
    here, there = tool - block, ready - block
    turn = _wrapped(torch.atan2(there[:, 1], there[:, 0]) - torch.atan2(here[:, 1], here[:, 0]))
    radius = here.norm(dim=1)
    leaving = (radius < 0.9 * RING) & (turn.abs() > 0.3)
    onward = torch.atan2(here[:, 1], here[:, 0]) + torch.where(leaving, 0.0, turn.clamp(-0.25, 0.25))
    along = block + RING * torch.stack([torch.cos(onward), torch.sin(onward)], dim=1)
    return torch.where((turn.abs() < 0.3)[:, None], ready, along)


def _rotated(vector: Tensor, angle: Tensor) -> Tensor:
    cosine, sine = torch.cos(angle), torch.sin(angle)
    x, y = vector[..., 0], vector[..., 1]
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi
