"""How memory and time grow with the size and the number of parts, measured."""
