"""From feature maps of an image to a vector."""

import torch
from torch import Tensor, nn


def expected_coordinates(maps: Tensor) -> Tensor:
    """Spatial softmax of maps (B, M, height, width): (B, 2 M), the x of every map, then the y; -1 to 1.

    Levine et al., "End-to-End Training of Deep Visuomotor Policies", arXiv 1504.00702.
    """
    height, width = maps.shape[-2:]
    attention = maps.flatten(2).softmax(dim=-1).unflatten(2, (height, width))
    x = attention.sum(dim=2) @ torch.linspace(-1.0, 1.0, width, device=maps.device)
    y = attention.sum(dim=3) @ torch.linspace(-1.0, 1.0, height, device=maps.device)
    return torch.cat([x, y], dim=-1)


class Pooling(nn.Module):
    """What a backbone sees to (B, features), in two stages like an encoder: `reduced` is fixed, `forward` is learnt.

    own: the backbone's embedding of a whole image. mean: of its maps. flat: all their cells. spatial_softmax: expected
    coordinates of `maps` projections of them. All but the last are normalised: embeddings of other people's models have
    any scale.
    """

    def __init__(self, kind: str, own: Tensor, maps: Tensor, projections: int) -> None:
        """own (B, D), maps (B, C, height, width): what the backbone answers, for their sizes."""
        super().__init__()
        self.kind = kind
        self.last: nn.Module
        if kind == "spatial_softmax":
            self.last = nn.Conv2d(maps.shape[1], projections, 1)
            self.features = 2 * projections
        else:
            self.features = self.reduced(own, maps).shape[1]
            self.last = nn.LayerNorm(self.features)

    def reduced(self, own: Tensor, maps: Tensor) -> Tensor:
        """(B, ...) of what the backbone answers."""
        match self.kind:
            case "own":
                return own
            case "mean":
                return maps.mean(dim=(2, 3))
            case "flat":
                return maps.flatten(1)
            case _:
                return maps

    def forward(self, reduced: Tensor) -> Tensor:
        last = self.last(reduced)
        return expected_coordinates(last) if self.kind == "spatial_softmax" else last
