"""What a policy sees compared: the object's pose, features of a pre-trained encoder, or pictures."""
