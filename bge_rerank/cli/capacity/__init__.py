"""`bge-rerank capacity`: how many machines carry a load, simulated from times measured on this machine.

May import `server`, `batch`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and
every room below them.
Start reading in `simulation.py`.
"""
