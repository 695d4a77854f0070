"""Affinity features: how a user's residuals carry over to similar items, and along the attributes that items differ in.

An affinity is a mean of residuals over the user's history, weighted by how alike the item of each is to the candidate.
float32, since these are the arrays with a cell for each pair and what the model sees is float32 as well.
"""

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.aged_features import Items, Past

__all__ = ["kernels", "overlap", "slopes", "weighted_means"]

_TEXT_SHARPNESS = 15.0
_AGE_WIDTH = 0.5  # of log age: items half as old again are alike
_FLOORS_4 = np.array([0.02, 1.0, 1.0, 1.0], dtype=np.float32)  # by text, categories, popularity, age
_SLOPE_RIDGES_3 = np.array([2.0, 10.0, 10.0])  # by the item's mean, popularity, age


def kernels(cosine_BN: NDArray[np.float32], overlap_BN: NDArray[np.float32], items: Items, past: Past) -> NDArray[np.float32]:
    """How alike each candidate is to each thing of the past by text, categories, popularity and age: (4, B, N), 0 to 1."""
    kernels_4BN = np.empty((4, *cosine_BN.shape), dtype=np.float32)
    text_BN, category_BN, popularity_BN, age_BN = kernels_4BN
    category_BN[:] = overlap_BN
    np.multiply(cosine_BN - 1.0, _TEXT_SHARPNESS, out=text_BN)
    np.subtract.outer(items.log_counts_BC[:, 1].astype(np.float32), past.log_count_N.astype(np.float32), out=popularity_BN)
    popularity_BN *= -popularity_BN
    np.subtract.outer(items.log_age_B.astype(np.float32), past.log_age_N.astype(np.float32), out=age_BN)
    np.abs(age_BN, out=age_BN)
    age_BN *= -1.0 / _AGE_WIDTH
    for kernel_BN in (text_BN, popularity_BN, age_BN):
        np.exp(kernel_BN, out=kernel_BN)
    text_BN[~items.known_B] = 0.0
    popularity_BN[~items.touched_B] = 0.0
    age_BN *= np.logical_and.outer(items.dated_B, past.dated_N)
    return kernels_4BN


def weighted_means(
    kernels_4BN: NDArray[np.float32], residual_NT: NDArray[np.float64], known_NT: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Kernel-weighted means of the residuals, (4, B, T), drawn towards 0 where little is alike."""
    tasks = residual_NT.shape[1]
    weighed_4BU = kernels_4BN @ np.concatenate((residual_NT, known_NT), axis=1, dtype=np.float32)
    means_4BT: NDArray[np.float32] = weighed_4BU[..., :tasks] / (weighed_4BU[..., tasks:] + _FLOORS_4[:, None, None])
    return means_4BT


def overlap(mine_BW: NDArray[np.uint64], theirs_NW: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Share that two sets of categories have in common (Jaccard), (B, N); 0 where both are empty.

    A product of bits as floats counts common ones several times as fast as a bitwise `and` of all pairs would; it takes those
    bits alone that one of theirs has.
    """
    used_K = np.flatnonzero(np.unpackbits(np.bitwise_or.reduce(theirs_NW, axis=0).view(np.uint8)))
    mine_BK, theirs_NK = (
        np.unpackbits(held.view(np.uint8), axis=1)[:, used_K].astype(np.float32) for held in (mine_BW, theirs_NW)
    )
    both_BN: NDArray[np.float32] = mine_BK @ theirs_NK.T
    sizes_B, sizes_N = (np.bitwise_count(held).sum(axis=1, dtype=np.float32) for held in (mine_BW, theirs_NW))
    either_BN = np.add.outer(sizes_B, sizes_N) - both_BN
    share_BN: NDArray[np.float32] = both_BN / np.maximum(either_BN, 1.0)
    return share_BN


def slopes(items: Items, past: Past, centred_NT: NDArray[np.float64]) -> NDArray[np.float64]:
    """How the user's residuals rise with what items usually get, their popularity and their age, times where each candidate
    lies on these: (B, 3, T).
    """
    tasks = centred_NT.shape[1]
    values_B3T, values_N3T = np.empty((len(items.known_B), 3, tasks)), np.empty((len(past.age_N), 3, tasks))
    values_B3T[:, 0], values_N3T[:, 0] = items.mean_BT, past.usual_NT
    values_B3T[:, 1], values_N3T[:, 1] = items.log_counts_BC[:, 1, None], past.log_count_N[:, None]
    values_B3T[:, 2], values_N3T[:, 2] = items.log_age_B[:, None], past.log_age_N[:, None]
    known_N1T = past.known_NT[:, None]
    middle_3T = (values_N3T * known_N1T).sum(axis=0) / np.maximum(past.known_NT.sum(axis=0), 1)
    off_N3T = (values_N3T - middle_3T) * known_N1T
    slope_3T = (centred_NT[:, None] * off_N3T).sum(axis=0) / ((off_N3T**2).sum(axis=0) + _SLOPE_RIDGES_3[:, None])
    risen_B3T: NDArray[np.float64] = slope_3T * (values_B3T - middle_3T)
    risen_B3T[:, :2] *= items.touched_B[:, None, None]
    risen_B3T[:, 2] *= items.dated_B[:, None]
    return risen_B3T
