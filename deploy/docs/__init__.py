"""Reference pages of the documentation: each made from the source that it describes."""
