"""What tests of whole sweeps share: a base of a few thousand parameters, workspaces, and the command."""

from __future__ import annotations

import os
import sqlite3

# Before huggingface_hub is imported, which reads it once: no test may ask the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Nor a server that whoever runs the tests has told Frontune of.
os.environ.pop("FRONTUNE_DATABASE_URL", None)
os.environ.pop("FRONTUNE_TRACKING_URI", None)
# Ray reads these when it is imported: report to nobody, and listen on the loopback address if told to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from methods.frozen import FrozenBase
    from sweeps.data import TaskData

MORE_WORDS = ("true", "neither", "false", "question", "answer", "?", ",", "or")
Frontune = Callable[..., Result]
SweepFile = Callable[..., Path]
SHORT = {"trials": 4, "seeds": [0]}


@pytest.fixture(scope="session", autouse=True)
def hurry() -> Iterator[None]:
    """Every test hurries."""
    from tests.hurry import hurrying

    with hurrying():
        yield


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random GPT-2 of two layers, width 16, and a tokenizer that knows the demo's words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from methods.tiny.world import vocabulary

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bases") / "small"
    words = dict.fromkeys(["<pad>", "<eos>", "<unk>", *vocabulary(), *MORE_WORDS])
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks).save_pretrained(folder)
    torch.manual_seed(3)
    shape = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": len(words)}
    GPT2LMHeadModel(GPT2Config(**shape, pad_token_id=0, bos_token_id=1, eos_token_id=1)).save_pretrained(
        folder
    )
    return str(folder)


@pytest.fixture(scope="module")
def frozen(base: str) -> FrozenBase:
    """That base, loaded."""
    from methods.loading import load_base

    return load_base(base)


@pytest.fixture(scope="module")
def data(base: str) -> TaskData:
    """A few rows of the demo, tokenised for it."""
    from methods.loading import load_tokenizer
    from sweeps.data import prepare_data, read_examples
    from sweeps.settings import TaskSettings

    settings = TaskSettings(name="demo", train_examples=24, eval_examples=20)
    return prepare_data(read_examples(settings), load_tokenizer(base))


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MLflow's empty database: its first use migrates for seconds."""
    from storage.tracking import Tracker

    folder = tmp_path_factory.mktemp("mlflow")
    Tracker(f"sqlite:///{folder / 'mlflow.db'}", folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "mlflow.db").read_bytes()


@pytest.fixture(scope="session")
def make_workspace(tmp_path_factory: pytest.TempPathFactory, mlflow_store: bytes) -> Callable[[], Path]:
    """Makes a fresh workspace folder that holds nothing but MLflow's empty store."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("runs")
        (folder / "mlflow.db").write_bytes(mlflow_store)
        return folder

    return make


@pytest.fixture(scope="session")
def frontune() -> Frontune:
    """Runs the command in this process; the result has exit_code, stdout and stderr."""
    from sweeps.cli import main

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def small_sweep(base: str) -> dict[str, Any]:
    """A sweep file's content: three methods, a sum among them, that train for a fraction of a second."""
    return {
        "base": base,
        "task": {"name": "demo", "train_examples": 24, "eval_examples": 30},
        "methods": {
            "lora": {
                "r_q": {"low": 1, "high": 8},
                "r_v": "r_q",
                "lr": {"low": 1e-3, "high": 1e-1, "log": True},
            },
            "lora+prefix_embed": {
                "lora": {"r_q": [1, 2, 4], "lr": [1e-2, 3e-2]},
                "prefix_embed": {"l_p": [1, 2, 3], "lr": 1e-2},
            },
            "ft_top2": {"n_layers": [1, 2], "lr": [1e-3, 1e-2, 3e-2]},
        },
        "trials": 12,
        "seeds": [0, 1],
        "recipe": {"steps": 3, "batch_size": 4},
    }


@pytest.fixture
def sweep_file(tmp_path: Path, small_sweep: dict[str, Any]) -> SweepFile:
    """Writes the small sweep, with some keys changed or (None) left out, as FILE_NAME.yaml."""

    def write(file_name: str = "small", **changes: Any) -> Path:
        content = {key: value for key, value in {**small_sweep, **changes}.items() if value is not None}
        file = tmp_path / f"{file_name}.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file

    return write


@pytest.fixture(scope="session")
def sweep_here(
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    small_sweep: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Any]:
    """What the small sweep, four trials of it, finds in this process."""
    from tests.sweep_outcomes import outcome

    workspace, file = make_workspace(), tmp_path_factory.mktemp("here") / "small.yaml"
    file.write_text(yaml.safe_dump(small_sweep | SHORT, sort_keys=False))
    assert frontune("run", file, "--workspace", workspace).exit_code == 0
    return outcome(workspace)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; of a module, for nothing else in the thread may run an event loop beside it."""
    from tests.browser import absent, running_browser

    if reason := absent():
        pytest.skip(reason)
    with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine, small and on the loopback address, that Ray is connected
    to; the first has a `seat` and two `cells` beside its processor, the second a processor alone."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
    # A node that is gone is missed within two seconds, and what else runs here neither starves an actor nor
    # has it killed for want of memory.
    config = {
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 3,
        "memory_monitor_refresh_ms": 0,
        "worker_niceness": 0,
    }
    head = {**small, "include_dashboard": False, "_system_config": config}
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Digits are those of one thread.
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        cluster = Cluster(initialize_head=True, head_node_args={**head, "resources": {"seat": 1, "cell": 2}})
        cluster.add_node(**small)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def finished(
    make_workspace: Callable[[], Path],
    frontune: Frontune,
    small_sweep: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A workspace, to be read alone, with the finished sweep `small`: one point diverged, one was refused."""
    workspace, file = make_workspace(), tmp_path_factory.mktemp("file") / "small.yaml"
    points = ["lora(r_q=99)", "adapter_h(r=2, lr=1e30)"]
    limit = {"trials": 14, "points": points, "max_trainable_params": 7000, "name": "small"}
    file.write_text(yaml.safe_dump(small_sweep | limit, sort_keys=False))
    result = frontune("run", file, "--workspace", workspace)
    assert result.exit_code == 0, result.output
    return workspace
