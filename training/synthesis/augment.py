"""Random deformation of a batch of digits, as TensorFlow ops.

Random numbers depend on the seed passed in alone, so a resumed run sees the same deformations.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from service.contract import IMAGE_SIDE
from training.recipe import Deformation

_SIDE = IMAGE_SIDE
_PADDED = _SIDE + 3  # one pixel before, two after: samples outside the image then read background without masks
_CENTRE = (_SIDE - 1) / 2
_SQRT_2 = math.sqrt(2)  # times erfinv(u), u uniform in (-1, 1): standard normal
_INSIDE = 1 - 2.0**-23  # keeps u below 1, where erfinv is infinite
_UNIFORM_DEVIATION = 1 / math.sqrt(3)  # of noise in [-1, 1]; one factor an axis makes its variance


def deform(images: Any, seed: Any, deformation: Deformation) -> Any:
    """Deform each image by a random affine map and elastic field of its own.

    Args:
        images: float32 [N, 28, 28], 0 = background, 255 = ink.
        seed: int32 [2], neither negative, the second below 2**30.
        deformation: the bounds of what is drawn.

    Returns:
        float32 [N, 28, 28], sampled bilinearly; what comes from outside the image is background.
    """
    count = tf.shape(images)[0]
    # not stateless_split: half of its seeds are negative, for which XLA draws different numbers
    affine_seed, elastic_seed = (tf.stack([seed[0], 2 * seed[1] + stream]) for stream in (0, 1))
    grid = affine_grid(count, affine_seed, deformation)
    field = elastic_field(count, elastic_seed, deformation)
    return sample(images, grid + field)


def affine_grid(count: Any, seed: Any, deformation: Deformation) -> Any:
    """Return the source of each output pixel, (row, column) in pixels: float32 [2, N, 28, 28]."""
    draws = _uniform([6, count, 1, 1], seed)
    angle = draws[0] * math.radians(deformation.rotation_degrees)
    scale_y, scale_x = 1.0 + deformation.scale * draws[1], 1.0 + deformation.scale * draws[2]
    shear = deformation.shear * draws[3]
    shift_y, shift_x = deformation.translation_pixels * draws[4], deformation.translation_pixels * draws[5]
    axis = tf.range(_SIDE, dtype=tf.float32) - _CENTRE
    y, x = axis[None, :, None] / scale_y, axis[None, None, :] / scale_x
    cosine, sine = tf.cos(angle), tf.sin(angle)
    rows = cosine * y + sine * x + (shift_y + _CENTRE)
    columns = (cosine * shear - sine) * y + (sine * shear + cosine) * x + (shift_x + _CENTRE)
    return tf.stack([rows, columns])


def elastic_field(count: Any, seed: Any, deformation: Deformation) -> Any:
    """Return Simard's random displacement, (row, column) in pixels: float32 [2, N, 28, 28].

    Smoothed noise has few degrees of freedom: this draws the coefficients of its Karhunen-Loeve expansion, with equal
    mean and covariance, instead of 784 numbers and two convolutions.
    """
    basis = tf.constant(smooth_noise_basis(deformation.elastic_sigma))
    modes = basis.shape[1]
    noise = _SQRT_2 * tf.math.erfinv(_INSIDE * _uniform([2, count, modes, modes], seed))
    return deformation.elastic_alpha * tf.einsum("im,knmp,jp->knij", basis, noise, basis)


def _uniform(shape: Any, seed: Any) -> Any:
    """Return float32 from -1 to 1 made from integers, which XLA draws as other kernels do (floats differ)."""
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.int32)
    return tf.cast(bits, tf.float32) * 2.0**-31


def sample(images: Any, coordinates: Any) -> Any:
    """Sample `images`, float32 [N, 28, 28], bilinearly at `coordinates`, float32 [2, N, 28, 28] in pixels."""
    padded = tf.reshape(tf.pad(images, [[0, 0], [1, 2], [1, 2]]), [-1])
    inside = tf.clip_by_value(coordinates + 1.0, 0.0, _SIDE + 1.0)
    corner = tf.floor(inside)
    down, right = tf.unstack(inside - corner)
    top, left = tf.unstack(tf.cast(corner, tf.int32))
    first = tf.range(tf.shape(images)[0])[:, None, None] * (_PADDED * _PADDED)
    index = first + top * _PADDED + left
    above = _between(tf.gather(padded, index), tf.gather(padded, index + 1), right)
    below = _between(tf.gather(padded, index + _PADDED), tf.gather(padded, index + _PADDED + 1), right)
    return _between(above, below, down)


def _between(first: Any, second: Any, share: Any) -> Any:
    return first + share * (second - first)


def smooth_noise_basis(sigma: float) -> Any:
    """Return A, float32 [28, modes], such that A z has the covariance of uniform noise smoothed along one axis.

    z is standard normal. The modes left out hold less than a thousandth of the variance.
    """
    offsets = np.arange(-_SIDE + 1, _SIDE, dtype=np.float64)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    pixels = np.arange(_SIDE)
    smooth = kernel[pixels[:, None] - pixels[None, :] + _SIDE - 1]
    variances, directions = np.linalg.eigh(smooth @ smooth.T * _UNIFORM_DEVIATION)
    largest = np.argsort(variances)[::-1]
    modes = 1 + int(np.searchsorted(np.cumsum(variances[largest]), 0.999 * variances.sum()))
    chosen = largest[:modes]
    return (directions[:, chosen] * np.sqrt(variances[chosen])).astype(np.float32)
