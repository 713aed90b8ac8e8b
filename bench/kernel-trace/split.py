"""Where a step's time goes: kernels that trace.c recorded of one `rollout bench`, against floors of bytes and operations.

Usage: split.py KERNELS WORKLOAD SHAPE READ PRODUCT
  KERNELS   the file of trace.c        WORKLOAD  the workload that ran
  SHAPE     qwen3-0.6b, -1.7b or -8b   READ      TB/s of a read-only reduction on the card
  PRODUCT   TFLOP/s of a large bfloat16 product (Rollout.KernelBenchmarks measures both)
"""
import collections
import json
import sys

# layers, hidden, intermediate, query heads; all have 8 KV heads of 128 numbers and 151,936 tokens.
SHAPES = {"qwen3-0.6b": (28, 1024, 3072, 16), "qwen3-1.7b": (28, 2048, 6144, 16), "qwen3-8b": (36, 4096, 12288, 32)}
KV_HEADS, HEAD_DIM, VOCABULARY = 8, 128, 151936
WINDOW = 20  # decode steps that are averaged, a third of the way through

OPERATIONS = {  # by a part of the kernel's name
    "paged_attention": "attention", "merge_attention": "merge of attention", "rms_norm": "norms",
    "qk_norm_rope": "q/k norm, rotation, cache write", "silu_mul": "gate", "sample_tokens": "sampling",
    "prepare_step": "inputs and embeddings", "gather_rows": "inputs and embeddings", "copy_blocks": "copies of blocks",
    "nvjet": "products", "gemm": "products", "cublas": "products", "cutlass": "products", "gemv": "products",
}


def operation(name):
    return next((word for part, word in OPERATIONS.items() if part in name), None)


def read_steps(file):
    """Steps as lists of (start ns, time ns, graph, operation); each begins with prepare_step."""
    kernels = []
    for line in open(file):
        start, time, graph, name = line.rstrip("\n").split(" ", 3)
        if operation(name):
            kernels.append((int(start), int(time), int(graph), operation(name), "prepare_step" in name))
    steps = []
    for *kernel, begins in sorted(kernels):
        if begins:
            steps.append([])
        if steps:
            steps[-1].append(tuple(kernel))
    return steps


def print_shares(label, steps):
    times = collections.Counter()
    for kernel in (kernel for step in steps for kernel in step):
        times[kernel[3]] += kernel[1]
    total = sum(times.values())
    shares = ", ".join(f"{name} {time / total:.1%}" for name, time in times.most_common())
    print(f"  {label}: {len(steps)} steps, {total / 1e9:.3f} s; {shares}")


def floors(shape, rows, context, read, product):
    """Microseconds that each operation cannot do without: its bytes once, or its operations; activations are 2 bytes."""
    layers, hidden, intermediate, heads = SHAPES[shape]
    qkv = (heads + 2 * KV_HEADS) * HEAD_DIM
    weights = layers * (qkv * hidden + heads * HEAD_DIM * hidden + 3 * hidden * intermediate)
    logits = 4 * rows * VOCABULARY
    head = VOCABULARY * hidden
    return {
        "attention": context * 2 * KV_HEADS * HEAD_DIM * 2 * layers / read,
        "products": max(2 * weights / read, 2 * rows * weights / product),
        "head": max((2 * head + logits) / read, 2 * rows * head / product),
        "sampling": logits / read,
        "norms": 2 * layers * 8 * rows * hidden / read,
        "gate": layers * 6 * rows * intermediate / read,
        "q/k norm, rotation, cache write": layers * 4 * rows * qkv / read,
    }


def running(workload, step):
    """(sequences, distinct tokens of context) of a decode step, where all groups begin in the first step."""
    rows = context = 0
    for group in map(json.loads, open(workload)):
        samples = sum(tokens > step for tokens in group["max_tokens"])
        rows += samples
        context += len(group["prompt_ids"]) * (samples > 0) + samples * step
    return rows, context


def main(file, workload, shape, read, product):
    read, product = float(read) * 1e6, float(product) * 1e6  # a microsecond
    steps = read_steps(file)
    decode = [step for step in steps if step[0][2]]  # recorded ones
    print(f"{shape} {workload.rsplit('/', 1)[-1]}")
    print_shares("with prompts", [step for step in steps if not step[0][2]])
    print_shares("decode", decode)
    first = len(decode) // 3
    window = decode[first:first + WINDOW]
    times, launches = collections.Counter(), collections.Counter()
    for step in window:
        last = max(kernel[0] for kernel in step if kernel[3] == "products")  # the head
        for start, time, _, name in step:
            name = "head" if start == last else name
            times[name] += time / 1e3 / len(window)
            launches[name] += 1 / len(window)
    rows, context = running(workload, first + WINDOW // 2)
    least = floors(shape, rows, context, read, product)
    total = sum(times.values())
    period = (window[-1][0][0] - window[0][0][0]) / 1e3 / (len(window) - 1)
    print(f"  decode steps {first} to {first + len(window)}: about {rows} sequences, {context} distinct tokens of context; "
          f"{total / 1e3:.2f} ms of kernels, a step every {period / 1e3:.2f} ms while traced")
    for name, time in times.most_common():
        floor = f"{least[name]:6.0f} us = {least[name] / time:4.0%}" if name in least else ""
        print(f"    {name:33s}{time:7.0f} us {time / total:6.1%} {launches[name]:5.0f} launches   floor {floor}")
    print(f"    {'all':33s}{total:7.0f} us                          floor {sum(least.values()):6.0f} us")


main(*sys.argv[1:])
