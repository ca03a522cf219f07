"""A user's training and serving script for the scikit-learn container, in SageMaker's script mode."""

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score


def model_fn(model_dir: str) -> RandomForestClassifier:
    return joblib.load(Path(model_dir) / "model.joblib")


def predict_fn(rows: np.ndarray, model: RandomForestClassifier) -> np.ndarray:
    return model.predict_proba(rows)[:, 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=10)
    parser.add_argument("--max-depth", type=int, default=None)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--test", default=os.environ.get("SM_CHANNEL_TEST"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--output-data-dir", default=os.environ.get("SM_OUTPUT_DATA_DIR"))
    args = parser.parse_args()

    train = pd.read_csv(Path(args.train) / "train.csv", header=None)
    test = pd.read_csv(Path(args.test) / "test.csv", header=None)
    model = RandomForestClassifier(n_estimators=args.n_estimators, max_depth=args.max_depth, random_state=0)
    model.fit(train.iloc[:, 1:].to_numpy(), train.iloc[:, 0])
    auc = roc_auc_score(test.iloc[:, 0], model.predict_proba(test.iloc[:, 1:].to_numpy())[:, 1])
    print(f"test:auc={auc:.6f};")

    joblib.dump(model, Path(args.model_dir) / "model.joblib")
    if args.output_data_dir:
        report = Path(args.output_data_dir) / "report.json"
        report.write_text(json.dumps({"trees": args.n_estimators, "auc": auc}))
