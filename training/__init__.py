"""Programs that train, evaluate and compare the library's models on prepared records."""
