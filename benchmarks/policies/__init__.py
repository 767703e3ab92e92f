"""Action heads compared: encoder, training loop, data and size are the same, what predicts the chunk differs."""
