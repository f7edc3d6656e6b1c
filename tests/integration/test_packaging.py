"""Both distributions, built, and installed in a fresh environment outside the checkout."""

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from environments import CONSTRAINTS, ROOT, environment, run

PACKAGES = ("bge_rerank", "langchain_bge_rerank", "llamaindex_bge_rerank")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheels and sdists of both distributions."""
    folder = tmp_path_factory.mktemp("dist")
    for project in (ROOT, ROOT / "mini"):
        run(sys.executable, "-m", "build", "--outdir", folder, project, cwd=folder)
    return folder


def wheel_names(built: Path, distribution: str) -> list[str]:
    [wheel] = built.glob(f"{distribution}-[0-9]*.whl")
    return zipfile.ZipFile(wheel).namelist()


@pytest.mark.long
def test_the_main_wheel_is_small_and_holds_only_the_typed_packages(built: Path) -> None:
    [wheel] = built.glob("bge_rerank-[0-9]*.whl")
    assert wheel.stat().st_size < 600_000
    with zipfile.ZipFile(wheel) as contents:
        assert max(file.compress_size for file in contents.infolist()) < 50_000
    names = wheel_names(built, "bge_rerank")
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert "bge_rerank/data/corpus/corpus.jsonl" in names
    assert "bge_rerank/evaluation/report/report.html.jinja" in names


@pytest.mark.long
def test_pypi_accepts_the_metadata_and_renders_the_readmes(built: Path) -> None:
    files = [*built.glob("*.whl"), *built.glob("*.tar.gz")]
    assert len(files) == 4
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


@pytest.mark.long
def test_the_sdist_holds_what_the_tests_read(built: Path) -> None:
    [sdist] = built.glob("bge_rerank-[0-9]*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    files = ("CITATION.cff", "CONTRIBUTING.md", "Makefile", "SECURITY.md", ".github/dependabot.yml")
    assert set(files) <= names


@pytest.mark.long
def test_minis_wheel_holds_weights_graph_and_card(built: Path) -> None:
    names = set(wheel_names(built, "bge_rerank_mini"))
    files = ("config.json", "model.safetensors", "model_int8.onnx", "tokenizer.json", "README.md")
    assert {f"bge_rerank_mini/model/{file}" for file in files} <= names
    assert "bge_rerank_mini/py.typed" in names


@pytest.mark.long
def test_sdists_build_the_same_wheels(built: Path, tmp_path: Path) -> None:
    for distribution in ("bge_rerank", "bge_rerank_mini"):
        [sdist] = built.glob(f"{distribution}-[0-9]*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(tmp_path, filter="data")
        source = tmp_path / sdist.name.removesuffix(".tar.gz")
        run(
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--outdir",
            tmp_path / "again",
            source,
            cwd=tmp_path,
        )
        assert wheel_names(tmp_path / "again", distribution) == wheel_names(built, distribution)


@pytest.mark.long
def test_the_base_install_is_light_and_names_the_missing_packages(
    built: Path, tmp_path: Path
) -> None:
    [wheel] = built.glob("bge_rerank-[0-9]*.whl")
    python = environment(tmp_path / "base", *CONSTRAINTS, wheel)
    installed = run(sys.executable, "-m", "uv", "pip", "list", "--python", python, cwd=tmp_path)
    assert not any(
        name in installed.lower() for name in ("torch", "transformers", "langchain", "llama")
    )
    code = (
        "from bge_rerank import load_scorer, MissingDependencyError\n"
        "for model in ('mini', 'BAAI/bge-reranker-v2-m3'):\n"
        "    try: load_scorer(model).score([('q', 'p')])\n"
        "    except MissingDependencyError as error: print(error)"
    )
    mini, hub = run(python, "-c", code, cwd=tmp_path).splitlines()
    assert "pip install bge-rerank-mini" in mini
    assert "pip install 'bge-rerank[torch]'" in hub


@pytest.mark.long
@pytest.mark.parametrize("extra", ["torch", "openvino", "onnx"])
def test_the_wheels_work_outside_the_checkout(built: Path, tmp_path: Path, extra: str) -> None:
    [wheel] = built.glob("bge_rerank-[0-9]*.whl")
    [mini] = built.glob("bge_rerank_mini-[0-9]*.whl")
    python = environment(tmp_path / "full", *CONSTRAINTS, f"{wheel}[{extra},langchain]", mini)
    installed = run(sys.executable, "-m", "uv", "pip", "list", "--python", python, cwd=tmp_path)
    assert ("torch" in installed) == (extra == "torch")
    code = (
        "from langchain_bge_rerank import BGERerankerCompressor\n"
        "from langchain_core.documents import Document\n"
        "documents = [Document('Bread rises.'), Document('The Moon raises the tides.')]\n"
        "compressor = BGERerankerCompressor(model_name='mini', top_n=1)\n"
        "print(compressor.compress_documents(documents, 'what causes tides')[0].page_content)"
    )
    assert run(python, "-c", code, cwd=tmp_path).strip() == "The Moon raises the tides."
    help_text = run(tmp_path / "full" / "bin" / "bge-rerank", "--help", cwd=tmp_path)
    assert "rank" in help_text
