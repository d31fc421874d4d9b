"""Ratings that a generative language model gives, by a reply of a fixed form."""
