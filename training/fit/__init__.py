"""What a training step does beyond Keras' own."""
