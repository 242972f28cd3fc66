"""Binds the book: parses chapters, runs them, and renders page, notebook and verdict."""
