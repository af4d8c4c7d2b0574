"""The usual way to search LoRA's rank and learning rate, as the tools' documentation shows it.

Optuna's `objective` loads the tokenizer, the data and the model, wraps the model with PEFT, trains it with
transformers' Trainer, which reports to MLflow, and scores it. `usual_way` runs this in a process of its own:
``python -m tests.benchmarks.usual_sweep JOB.json``; the accuracies are the last line that it prints.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any


def main(job_file: str) -> None:
    """Search the points of a job, in their order."""
    job = json.loads(Path(job_file).read_text())
    folder = Path(job["folder"])
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["HF_DATASETS_CACHE"] = str(folder / "datasets")
    import mlflow
    import optuna

    mlflow.set_experiment("usual")
    study = optuna.create_study(
        direction="maximize", storage=f"sqlite:///{folder / 'optuna.db'}", study_name="usual"
    )
    for point in job["points"]:
        study.enqueue_trial(point)
    study.optimize(partial(objective, job=job), n_trials=len(job["points"]))
    print(json.dumps([trial.value for trial in study.trials]))


def objective(trial: Any, job: dict[str, Any]) -> float:
    """Train one trial and return its accuracy."""
    import mlflow
    from datasets import load_dataset
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Trainer,
        TrainingArguments,
    )

    r = trial.suggest_categorical("r", sorted({point["r"] for point in job["points"]}))
    lr = trial.suggest_float("lr", 1e-6, 1.0, log=True)
    tokenizer = AutoTokenizer.from_pretrained(job["base"])
    files = {split: str(Path(job["data"]) / f"{split}.jsonl") for split in ("train", "validation")}
    data = load_dataset("json", data_files=files)
    data = data.map(partial(tokenised, tokenizer=tokenizer), remove_columns=data["train"].column_names)
    model = AutoModelForCausalLM.from_pretrained(job["base"], dtype=job["dtype"])
    model = get_peft_model(
        model, LoraConfig(r=r, lora_alpha=r, target_modules=job["modules"], task_type="CAUSAL_LM")
    )
    folder = Path(job["folder"]) / f"trial-{trial.number}"
    arguments = TrainingArguments(
        output_dir=str(folder),
        learning_rate=lr,
        max_steps=job["steps"],
        per_device_train_batch_size=job["batch_size"],
        save_strategy="no",
        report_to="mlflow",
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    candidates = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in job["words"]]
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        preprocess_logits_for_metrics=partial(likeliest, candidates=candidates),
        compute_metrics=accuracy,
    )
    with mlflow.start_run(run_name=f"trial-{trial.number}"):
        trainer.train()
        score = float(trainer.evaluate()["eval_accuracy"])
    model.save_pretrained(folder)
    return score


def tokenised(row: dict[str, str], tokenizer: Any) -> dict[str, list[int]]:
    """A prompt without loss, and its answer with."""
    prompt = tokenizer(row["prompt"])["input_ids"]
    answer = tokenizer(f" {row['completion']}", add_special_tokens=False)["input_ids"]
    return {
        "input_ids": prompt + answer,
        "attention_mask": [1] * len(prompt + answer),
        "labels": [-100] * len(prompt) + answer,
    }


def likeliest(logits: Any, labels: Any, candidates: list[int]) -> Any:
    """The likeliest of the candidate words at every position."""
    return logits[..., candidates].argmax(-1).apply_(lambda i: candidates[i])


def accuracy(found: Any) -> dict[str, float]:
    """The share of label positions whose likeliest candidate, one position before, is right."""
    right = found.predictions[:, :-1] == found.label_ids[:, 1:]
    return {"accuracy": float(right[found.label_ids[:, 1:] != -100].mean())}


if __name__ == "__main__":
    main(sys.argv[1])
