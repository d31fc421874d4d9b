"""How memory and time grow with size, how fast each step is, and peers beside it, measured."""
