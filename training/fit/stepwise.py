"""A training step in parts: gradients of micro-batches added up, sharpness-aware, activations recomputed.

The gradient is a function without side effects: variables are replaced by tensors while it is computed, and
what moved (running statistics, random states) is assigned once, after it. So it can run in a loop, under
`MirroredStrategy`, and a second time at other weights without counting a batch twice.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from training.fit.recompute import run_blocks, split_into_blocks
from training.fit.sharpness_aware import steepest_steps


class StepwiseModel(keras.Model):
    """A functional model whose `fit` takes such steps; else it is the model it was made of.

    Batch normalisation sees one micro-batch at a time, and its running statistics move with each. With
    sharpness-aware minimisation the second pass has the dropout of the first one and leaves no trace in the
    statistics: they are those of the weights that are kept. The perturbation is that of the whole step's
    gradient, over all micro-batches and replicas. Make it with `stepwise`.

    Reference:
        Foret et al., Sharpness-Aware Minimization, Algorithm 1.
    """

    def set_steps(
        self,
        accumulation_steps: int,
        sharpness: str,
        rho: float,
        eta: float,
        recompute: bool,
        block_ends: Sequence[str],
    ) -> None:
        """Says how to step; the arguments are `stepwise`'s."""
        self.accumulation_steps = accumulation_steps
        self.sharpness, self.rho, self.eta = sharpness, rho, eta
        self.blocks = split_into_blocks(self, block_ends) if recompute else None

    def train_step(self, data: tuple) -> dict:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        weights = [tf.convert_to_tensor(variable.value) for variable in variables]
        state = [
            tf.convert_to_tensor(variable.value)
            for variable in self.non_trainable_variables
        ]
        moved = set()
        gradients, loss, y_pred, new_state = self._gradients(
            weights, state, x, y, moved
        )
        if self.sharpness != "none":
            steps = steepest_steps(
                variables, weights, gradients, self.sharpness, self.rho, self.eta
            )
            raised = [
                weight + step for weight, step in zip(weights, steps, strict=True)
            ]
            gradients, *_ = self._gradients(raised, state, x, y, moved)

        for index in sorted(moved):
            self.non_trainable_variables[index].assign(new_state[index])
        # The optimizer adds up over replicas once more; what it sees is alike on all of them, so that they
        # agree on whether it is finite.
        replicas = self.distribute_strategy.num_replicas_in_sync
        self.optimizer.apply([gradient / replicas for gradient in gradients], variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * replicas, sample_weight=tf.shape(y)[0])

        return self.compute_metrics(x, y, y_pred)

    def _gradients(self, weights, state, x, y, moved):
        """Of the loss over all replicas' images, scaled for low precision; and what the forward pass gave.

        Returns:
            Gradients; this replica's share of the loss; its logits; the state after it. `moved` gets the
            indices of what changed of the state.
        """
        if self.accumulation_steps == 1:
            gradients, loss, y_pred, state = self._of_micro_batch(
                weights, state, x, y, moved
            )
        else:
            gradients, loss, y_pred, state = self._of_all_micro_batches(
                weights, state, x, y, moved
            )
        context = tf.distribute.get_replica_context()
        return (
            context.all_reduce(tf.distribute.ReduceOp.SUM, gradients),
            loss,
            y_pred,
            state,
        )

    def _of_all_micro_batches(self, weights, state, x, y, moved):
        """What `_of_micro_batch` gives of all parts of a batch, in a loop: one at a time is in memory."""
        count = self.accumulation_steps
        size = tf.shape(y)[0] // count

        def add_next(index, gradients, loss, y_pred, state):
            rows = slice(index * size, (index + 1) * size)
            more, its_loss, logits, state = self._of_micro_batch(
                weights, state, x[rows], y[rows], moved
            )
            gradients = [
                total + part / count
                for total, part in zip(gradients, more, strict=True)
            ]
            return (
                index + 1,
                gradients,
                loss + its_loss / count,
                y_pred.write(index, logits),
                state,
            )

        start = (
            0,
            [tf.zeros_like(weight) for weight in weights],
            0.0,
            tf.TensorArray(self.compute_output_spec(self.input).dtype, count),
            state,
        )
        _, gradients, loss, y_pred, state = tf.while_loop(
            lambda index, *_: index < count,
            add_next,
            start,
            parallel_iterations=1,
            maximum_iterations=count,
        )
        return gradients, loss, y_pred.concat(), state

    def _of_micro_batch(self, weights, state, x, y, moved):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss, y_pred, new_state = self._loss(weights, state, x, y)
            scaled = self.optimizer.scale_loss(loss)

        moved.update(
            index
            for index, pair in enumerate(zip(state, new_state))
            if pair[0] is not pair[1]
        )
        unconnected = tf.UnconnectedGradients.ZERO
        return (
            tape.gradient(scaled, weights, unconnected_gradients=unconnected),
            loss,
            y_pred,
            new_state,
        )

    def _loss(self, weights, state, x, y):
        kept = self.non_trainable_variables
        values = [*zip(self.trainable_variables, weights), *zip(kept, state)]
        if self.blocks is None:
            with keras.StatelessScope(values) as scope:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred)
            return (
                loss,
                y_pred,
                [scope.get_current_value(variable) for variable in kept],
            )

        by_id = {id(variable): value for variable, value in values}
        y_pred, after = run_blocks(self.blocks, by_id, x)
        with keras.StatelessScope(values):
            loss = self.compute_loss(x, y, y_pred)
        return loss, y_pred, [after[id(variable)] for variable in kept]


def stepwise(
    model: keras.Model,
    *,
    accumulation_steps: int = 1,
    sharpness: str = "none",
    rho: float = 0.05,
    eta: float = 0.01,
    recompute: bool = False,
    block_ends: Sequence[str] = (),
) -> StepwiseModel:
    """The functional model as a `StepwiseModel` of the same layers, to be compiled and fitted.

    Args:
        model: A functional model of one input and one output.
        accumulation_steps: Micro-batches in a step; each replica's images must be a multiple of it.
        sharpness: `"none"`, `"sam"` or `"asam"`.
        rho: Length of the step to where the gradient is taken.
        eta: See `steepest_steps`.
        recompute: Whether to keep only the maps between blocks in memory, and to compute others twice.
        block_ends: Patterns of the names of layers that end a block, see `split_into_blocks`.
    """
    stepping = StepwiseModel(model.input, model.output, name=model.name)
    stepping.set_steps(accumulation_steps, sharpness, rho, eta, recompute, block_ends)
    return stepping
