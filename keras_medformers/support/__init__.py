"""What all three packages stand on: errors, command line, whole files and folders, quiet TensorFlow."""
