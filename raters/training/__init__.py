"""Recipes that make the artefacts which raters ship with."""
