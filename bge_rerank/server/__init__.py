"""A rerank server that speaks as TEI, Infinity, Cohere and Jina do: `bge-rerank serve`."""
