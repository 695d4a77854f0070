"""What the log tells of answers that were given: the scores again, and what another ranking would have earned."""
