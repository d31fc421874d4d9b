"""Recipes that make the models which come with Winnow; each is deterministic and can be rerun."""
