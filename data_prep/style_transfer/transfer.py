"""The style transfer of a batch of pictures: each optimised until its features are those asked for."""

import keras
import numpy as np
import tensorflow as tf

from data_prep.style_transfer.config import StyleTransferConfig
from data_prep.style_transfer.folder import Losses
from data_prep.style_transfer.network import (
    content_loss,
    feature_extractor,
    gram_matrices,
    style_loss,
)


class StyleTransfer:
    """Redraws batches of pictures in one style.

    Gatys et al. scaled VGG's weights so that the mean activation of each filter is one. Here the features of
    each layer are scaled so that their mean is one on the style picture, which does the same to the losses.

    Args:
        style: RGB, uint8 of shape `(size, size, 3)`.
        weights: See `network.feature_extractor`.
        batch_size: Pictures that are optimised at once.
        config: Size, steps, weights of the losses, pooling.

    Raises:
        UserError: See `network.feature_extractor`.
    """

    def __init__(
        self,
        style: np.ndarray,
        weights: str | None,
        batch_size: int,
        config: StyleTransferConfig,
    ):
        self._config = config
        self._extractor = feature_extractor(weights, config.size, config.pooling)
        style_features = self._extractor(style[None].astype("float32"), training=False)
        self._scales = [1 / tf.reduce_mean(maps) for maps in style_features]
        _, *scaled = self._features(style[None].astype("float32"))
        self._style_grams = [gram_matrices(maps) for maps in scaled]
        self._pictures = keras.Variable(
            np.zeros((batch_size, config.size, config.size, 3), "float32")
        )
        self._optimizer = keras.optimizers.Adam(config.step_size)
        self._optimizer.build([self._pictures])
        self._fresh_optimizer = [
            variable.numpy() for variable in self._optimizer.variables
        ]
        self._step = tf.function(self._one_step)
        self._measure = tf.function(self._losses)

    def restyle(self, contents: np.ndarray) -> tuple[np.ndarray, list[Losses]]:
        """Redraws pictures, starting from themselves.

        Args:
            contents: RGB, uint8 of shape `(n, size, size, 3)` with n at most `batch_size`.

        Returns:
            The redrawn pictures, in the same form, and the losses of each.
        """
        count = len(contents)
        # A short batch is filled up with its last picture, so that no step is traced anew.
        fill = np.repeat(contents[-1:], self._pictures.shape[0] - count, axis=0)
        filled = np.concatenate([contents, fill])
        self._pictures.assign(filled.astype("float32"))
        for variable, value in zip(
            self._optimizer.variables, self._fresh_optimizer, strict=True
        ):
            variable.assign(value)

        wanted = self._features(self._pictures)[0]
        _, style_before = self._measure(wanted)
        for _ in range(self._config.steps):
            self._step(wanted)
        content, style = self._measure(wanted)
        rows = zip(
            self._total(0.0, style_before).numpy()[:count],
            self._total(content, style).numpy()[:count],
            style_before.numpy(),
            style.numpy(),
            content.numpy(),
            strict=False,
        )
        losses = [Losses(*map(float, row)) for row in rows]

        return np.rint(self._pictures.numpy()[:count]).astype("uint8"), losses

    def _features(self, pictures: tf.Tensor) -> list[tf.Tensor]:
        maps = self._extractor(pictures, training=False)
        return [one * scale for one, scale in zip(maps, self._scales, strict=True)]

    def _losses(self, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        content_features, *style_features = self._features(self._pictures)
        return content_loss(content_features, wanted), style_loss(
            style_features, self._style_grams
        )

    def _total(self, content: tf.Tensor | float, style: tf.Tensor) -> tf.Tensor:
        return self._config.content_weight * content + self._config.style_weight * style

    def _one_step(self, wanted: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self._total(*self._losses(wanted))
        self._optimizer.apply(
            tape.gradient(loss, [self._pictures.value]), [self._pictures]
        )
        self._pictures.assign(tf.clip_by_value(self._pictures.value, 0.0, 255.0))
