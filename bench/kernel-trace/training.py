"""Where a training step's time goes: kernels that trace.c recorded of `rollout bench --train --steps 1`.

Usage: training.py KERNELS
Prints the kernels of the measured step by operation and by name: those between the optimizer's update of the first step and
the end of that of the second.
"""
import collections
import sys

UPDATE = ("addcdiv", "adamw")  # kernels of the optimizer's update
GAP = 50e6  # ns between kernels of two updates

OPERATIONS = (  # by a part of the kernel's name
    ("attention", ("flash", "fmha", "cudnn", "mha")),
    ("products", ("nvjet", "gemm", "cublas", "cutlass", "gemv", "splitK", "xmma")),
    ("log-probabilities and their gradient", ("cross_entropy",)),
    ("norms", ("rms_norm", "add_column_sums")),
    ("q/k norm and rotation", ("qk_norm_rope", "training_angles")),
    ("gate", ("silu_mul",)),
    ("rows", ("gather_rows", "scatter_rows", "scale_rows", "add_embedding")),
    ("optimizer", UPDATE),
)


def operation(name):
    return next((word for word, parts in OPERATIONS if any(part in name for part in parts)), "libtorch's others")


def read(file):
    kernels = []
    for line in open(file):
        start, time, _, name = line.rstrip("\n").split(" ", 3)
        kernels.append((int(start), int(time), name))
    return sorted(kernels)


def measured_step(kernels):
    ends = []  # of updates
    for start, time, name in kernels:
        if any(part in name for part in UPDATE):
            if ends and start - ends[-1] < GAP:
                ends[-1] = start + time
            else:
                ends.append(start + time)
    return [kernel for kernel in kernels if ends[0] < kernel[0] < ends[1]], (ends[1] - ends[0]) / 1e6


def main(file):
    step, milliseconds = measured_step(read(file))
    by_operation, by_name = collections.Counter(), collections.Counter()
    launches = collections.Counter()
    for _, time, name in step:
        by_operation[operation(name)] += time / 1e6
        by_name[name] += time / 1e6
        launches[name] += 1
    total = sum(by_name.values())
    print(f"step {milliseconds:.1f} ms while traced, kernels {total:.1f} ms, {len(step)} launches")
    for name, time in by_operation.most_common():
        print(f"  {name:40s}{time:9.2f} ms {time / total:6.1%}")
    for name, time in by_name.most_common(30):
        print(f"    {time:9.2f} ms {launches[name]:6d}  {name}")


main(sys.argv[1])
