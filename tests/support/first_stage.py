"""Candidates of BM25 for labelled collections."""

import bm25s


def first_stage(
    texts: dict[str, str], questions: dict[str, str], depth: int
) -> dict[str, list[str]]:
    """Return the first passages of BM25 for each question, best first."""
    ids = list(texts)
    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize(list(texts.values()), show_progress=False), show_progress=False)
    queries = bm25s.tokenize(list(questions.values()), show_progress=False)
    found, _ = retriever.retrieve(queries, k=depth, show_progress=False)
    return {
        question: [ids[row] for row in rows]
        for question, rows in zip(questions, found, strict=True)
    }
