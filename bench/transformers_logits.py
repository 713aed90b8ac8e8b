"""Compares a checkpoint of `rollout train` with transformers: the log-probability of each sampled token, and the greedy token.

    rollout train --config config/smoke.conf --out RUN
    python bench/transformers_logits.py prompts RUN/checkpoints/step-3 IN.jsonl
    rollout generate --model RUN/checkpoints/step-3 --prompts IN.jsonl --out SAMPLED.jsonl --samples 4 --max-tokens 16 --ignore-eos
    rollout generate --model RUN/checkpoints/step-3 --prompts IN.jsonl --out GREEDY.jsonl --temperature 0 --max-tokens 16 --ignore-eos
    python bench/transformers_logits.py compare RUN/checkpoints/step-3 IN.jsonl SAMPLED.jsonl
    python bench/transformers_logits.py compare RUN/checkpoints/step-3 IN.jsonl GREEDY.jsonl --greedy

Both compute in float32 on the CPU. Exits with 1 where a difference is above 1e-4, or a greedy token is not the most probable
one by more than that.
"""

import json
import random
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM

TOLERANCE = 1e-4


def write_prompts(model, path):
    """Random token ids: what is compared is the model, not the tokenizer."""
    vocabulary = AutoConfig.from_pretrained(model).vocab_size
    rng = random.Random(1)
    with open(path, "w") as file:
        for number in range(16):
            ids = [rng.randrange(vocabulary) for _ in range(rng.randrange(1, 12))]
            file.write(json.dumps({"id": str(number), "prompt_ids": ids}) + "\n")


def compare(model, prompts, completions, greedy):
    with open(prompts) as file:
        prompt_of = {line["id"]: line["prompt_ids"] for line in map(json.loads, file)}
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    count, largest, shortfall = 0, 0.0, 0.0
    with open(completions) as file, torch.no_grad():
        for line in map(json.loads, file):
            prompt, tokens = prompt_of[line["id"]], line["token_ids"]
            logits = network(torch.tensor([prompt + tokens])).logits[0]  # [prompt + completion, vocabulary]
            rows = logits[len(prompt) - 1 : -1].log_softmax(-1)  # [completion, vocabulary]
            theirs = rows.gather(1, torch.tensor(tokens)[:, None])[:, 0]
            ours = torch.tensor(line["logprobs"])
            largest = max(largest, (theirs - ours).abs().max().item())
            if greedy:
                shortfall = max(shortfall, (rows.max(-1).values - theirs).max().item())
            count += len(tokens)
    print(f"{count} tokens: largest difference of a log-probability {largest:.2e}"
          + (f", greedy tokens at most {shortfall:.2e} below the most probable one" if greedy else ""))
    return count > 0 and max(largest, shortfall) <= TOLERANCE


if __name__ == "__main__":
    if sys.argv[1:2] == ["prompts"] and len(sys.argv) == 4:
        write_prompts(*sys.argv[2:])
    elif sys.argv[1:2] == ["compare"] and len(sys.argv) in (5, 6):
        sys.exit(0 if compare(*sys.argv[2:5], greedy="--greedy" in sys.argv) else 1)
    else:
        sys.exit(__doc__)
