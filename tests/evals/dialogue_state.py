"""Predictions of dialogue state, turn by turn over outside dialogues: one JSON line a dialogue, for dst_eval.py.

python tests/evals/dialogue_state.py GOLD.jsonl > PRED.jsonl
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bot.offline.lexicon import Lexicon
from tests.evals.understand import predict
from tools.search import Vocabulary


def main(path: str) -> None:
    lexicon = Lexicon(Vocabulary((), ()))
    with open(path, encoding="utf-8") as gold:
        for line in gold:
            dialogue = json.loads(line)
            state: dict[str, dict[str, Any]] = {}
            active, asked = None, []
            turns = []
            for turn in dialogue["turns"]:
                row = {
                    "id": "",
                    "utterance": turn["user"],
                    "reference": dialogue["reference"],
                    "context": {"system": None, "requested": asked, "service": active},
                }
                told = predict(row, lexicon)
                active = told["service"] or active
                if active:
                    state[active] = state.get(active, {}) | told["slots"]
                turns.append({"state": {name: dict(slots) for name, slots in state.items()}, "call": None})
                asked = [act[1] for act in turn.get("system_acts") or () if act[0] == "REQUEST"]
            sys.stdout.write(json.dumps({"id": dialogue["id"], "turns": turns}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
