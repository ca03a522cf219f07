"""A user's processing script: shuffles and splits a CSV file."""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--test-size", type=float, default=0.3)
    args = parser.parse_args()

    rows = pd.read_csv("/opt/ml/processing/input/data.csv", header=None)
    train, test = train_test_split(rows, test_size=args.test_size, random_state=0, stratify=rows[0])
    for name, part in (("train", train), ("test", test)):
        folder = Path("/opt/ml/processing", name)
        folder.mkdir(parents=True, exist_ok=True)
        part.to_csv(folder / f"{name}.csv", header=False, index=False)
    print(f"split {len(rows)} rows into {len(train)} and {len(test)}")
