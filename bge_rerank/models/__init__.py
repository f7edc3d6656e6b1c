"""A model's options, its files, and the backend that runs it.

May import the `ground` files alone.
Start reading in `config.py`.
"""
