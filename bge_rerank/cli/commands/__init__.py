"""The commands: one module each, with `add_arguments(parser)` and `run(arguments)`.

May import `cli.bench`, `cli.capacity`, `cli.demo` and every room below them.
Start reading in `rank.py`.
"""
