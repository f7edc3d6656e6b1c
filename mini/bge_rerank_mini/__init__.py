"""The weights of ``mini``, a small English cross-encoder, as an installable package.

The package holds files and nothing else: importing it loads no model and needs no other library.

Example:
    >>> import bge_rerank_mini
    >>> sorted(file.name for file in bge_rerank_mini.path().glob("*.json"))
    ['config.json', 'tokenizer.json', 'tokenizer_config.json']
"""

from pathlib import Path

__all__ = ["__version__", "path"]

__version__ = "0.1.0"


def path() -> Path:
    """Return the folder that holds the weights, the configuration and the tokenizer.

    The folder is laid out as ``transformers`` saves a model, so whatever takes the path of a
    sequence-classification model takes this one.

    Returns:
        The folder, as an absolute path.

    Example:
        >>> import bge_rerank_mini
        >>> (bge_rerank_mini.path() / "model.safetensors").is_file()
        True
    """
    return Path(__file__).resolve().parent / "model"
