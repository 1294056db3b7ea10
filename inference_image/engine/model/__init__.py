"""The forward pass: configuration, weights, linear layers, decoder and the store of keys and values."""
