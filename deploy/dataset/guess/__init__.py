"""What a file's columns seem to mean, by their names and by what they hold; the user has the last word."""
