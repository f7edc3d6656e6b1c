"""Ray: the server as an application of Ray Serve.

May import `server`, `batch` and every room below them.
Start reading in `serving.py`.
"""
