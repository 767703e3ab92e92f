"""Data sets in the layout of diffusion_policy's ReplayBuffer: one Zarr group, all episodes one after the other.

`data/` holds an array per stream, camera and label, each with one row per frame; `meta/episode_ends` says where
episodes end. Storage format 2 of Zarr, which that project and those after it read.
"""
