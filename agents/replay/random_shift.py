"""Random shifts of images."""

from __future__ import annotations

import numpy as np


def random_shift(images: np.ndarray, pad: int, shifts: np.ndarray) -> np.ndarray:
    """Return images moved by whole pixels, with their edges repeated where they moved away from.

    Kostrikov et al., "Image augmentation is all you need" (DrQ, 2021), section 3: padding by
    repetition and a random crop. DrQ-v2 interpolates between pixels, which is left out.

    Args:
        images: of shape (batch, channels, height, width), of any type.
        pad: the farthest that an image moves, 0 or more.
        shifts: for each image how far down and right its crop begins in the padded one, from 0 to
            2 * pad, of shape (batch, 2); pad moves nothing.

    Example:
        >>> image = np.arange(4).reshape(1, 1, 2, 2)
        >>> random_shift(image, 1, np.array([[1, 2]]))[0, 0].tolist()
        [[1, 1], [3, 3]]
    """
    height, width = images.shape[2:]
    rows = (np.arange(height) + shifts[:, :1] - pad).clip(0, height - 1)
    columns = (np.arange(width) + shifts[:, 1:] - pad).clip(0, width - 1)
    which = np.arange(len(images))
    return images[
        which[:, None, None, None],
        np.arange(images.shape[1])[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
