"""The HTTP side of the inference image. It never imports torch: the engine process does."""
