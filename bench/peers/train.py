"""What `rollout bench --train` is compared with: the same step by PyTorch and transformers, on one GPU.

Usage: train.py SEQUENCES PROMPT COMPLETION MICRO_BATCH_TOKENS
A Qwen3-0.6B shape with random weights takes SEQUENCES sequences of PROMPT + COMPLETION tokens, in micro-batches of at most
MICRO_BATCH_TOKENS; the loss is the mean of -log p over completion tokens, the optimizer AdamW, fused. Prints a line of JSON
for bfloat16 weights, and for float32 weights under autocast.
"""
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, Qwen3Config

CONFIG = Qwen3Config(
    vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
    num_key_value_heads=8, head_dim=128, tie_word_embeddings=True, rope_theta=1e6, use_cache=False)
STEPS = 3


def step(model, optimizer, batches, prompt, targets, autocast):
    for ids in batches:
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
            hidden = model.model(ids[:, :-1]).last_hidden_state[:, prompt - 1:]
            loss = 0
            for states, goal in zip(hidden.flatten(0, 1).split(1024), ids[:, prompt:].flatten().split(1024)):
                logits = model.lm_head(states)
                loss = loss + torch.nn.functional.cross_entropy(logits.float(), goal, reduction="sum") / targets
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


def measure(sequences, prompt, completion, tokens, dtype):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG, attn_implementation="sdpa", dtype=dtype).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    ids = torch.randint(0, CONFIG.vocab_size, (sequences, prompt + completion), device="cuda")
    batches = ids.split(max(1, tokens // (prompt + completion)))
    autocast = dtype == torch.float32
    step(model, optimizer, batches, prompt, sequences * completion, autocast)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for _ in range(STEPS):
        step(model, optimizer, batches, prompt, sequences * completion, autocast)
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / STEPS
    print(json.dumps({
        "peer": f"torch {torch.__version__}", "dtype": str(dtype), "device_name": torch.cuda.get_device_name(),
        "micro_batch_tokens": tokens, "seconds": round(seconds, 4),
        "tokens_per_second": round(sequences * (prompt + completion) / seconds),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1)}))


if __name__ == "__main__":
    for dtype in (torch.bfloat16, torch.float32):
        measure(*map(int, sys.argv[1:5]), dtype)
        torch.cuda.empty_cache()
