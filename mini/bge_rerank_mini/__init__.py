"""The weights of ``mini``, a small English cross-encoder, as an installable package.

The package contains only files. Importing it loads no model and needs no other library.

Example:
    >>> import bge_rerank_mini
    >>> sorted(file.name for file in bge_rerank_mini.path().glob("*.json"))
    ['config.json', 'tokenizer.json', 'tokenizer_config.json']
"""

from pathlib import Path

__all__ = ["__version__", "path"]

__version__ = "0.1.0"


def path() -> Path:
    """Return the folder with the weights, the configuration and the tokenizer.

    The folder has the layout of ``transformers``, so you can pass it wherever the path of a
    sequence-classification model is accepted.

    Returns:
        The folder, as an absolute path.

    Example:
        >>> import bge_rerank_mini
        >>> (bge_rerank_mini.path() / "model.safetensors").is_file()
        True
    """
    return Path(__file__).resolve().parent / "model"
