"""Many threads share one compressor."""

from concurrent.futures import ThreadPoolExecutor

from langchain_core.documents import Document

from bge_rerank.data.demo import demo_collection
from langchain_bge_rerank import BGERerankerCompressor

THREADS, CALLS = 8, 48


def test_eight_threads_that_share_a_compressor_get_exactly_the_results_of_one_thread() -> None:
    collection = demo_collection()
    documents = [Document(passage.text, id=passage.id) for passage in collection.passages]
    questions = list(collection.questions.values())
    compressor = BGERerankerCompressor(model_name="mini", top_n=None, max_length=64)

    def call(number: int) -> list[tuple[str | None, float]]:
        start = number * 7 % len(documents)
        few = documents[start : start + 2 + number % 4]
        query = questions[number % len(questions)]
        return [
            (document.id, document.metadata["rerank_score"])
            for document in compressor.compress_documents(few, query)
        ]

    expected = [call(number) for number in range(CALLS)]
    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(call, range(CALLS))) == expected
