using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>
/// How many tokens a micro-batch of one training step may have. When one does not fit into the device's memory, the
/// budget becomes half of it, and all begins again: a failed backward pass may have left a part of its gradient.
/// </summary>
/// <param name="tokens">The budget, padding included.</param>
/// <param name="memory">Gives cached memory back before another try.</param>
internal sealed class MicroBatchBudget(int tokens, MemoryBoundaries memory)
{
    private int _tokens = tokens;

    /// <summary>How often the budget was halved.</summary>
    public int Splits { get; private set; }

    /// <summary>Computes every micro-batch, packed from sequences of these lengths.</summary>
    /// <param name="lengths">[sequences] the tokens of each in the forward pass.</param>
    /// <param name="begin">Forgets what micro-batches have left; called before the first one of each try.</param>
    /// <param name="compute">Computes one micro-batch.</param>
    /// <exception cref="MicroBatchMemoryException">One sequence by itself does not fit.</exception>
    public void ForEach(IReadOnlyList<int> lengths, Action begin, Action<MicroBatch> compute) =>
        ForEach(tokens => MicroBatcher.Pack(lengths, tokens), begin, compute);

    /// <summary>Computes every micro-batch.</summary>
    /// <param name="pack">Divides the sequences into micro-batches of so many tokens.</param>
    /// <param name="begin">Forgets what micro-batches have left; called before the first one of each try.</param>
    /// <param name="compute">Computes one micro-batch.</param>
    /// <exception cref="MicroBatchMemoryException">One sequence by itself does not fit.</exception>
    public void ForEach(Func<int, IReadOnlyList<MicroBatch>> pack, Action begin, Action<MicroBatch> compute)
    {
        do
            begin();
        while (!pack(_tokens).All(batch => TryCompute(batch, compute)));
    }

    /// <summary>True for libtorch's or a kernel's failure to get memory, which leaves the device usable.</summary>
    public static bool IsOutOfMemory(Exception cause) => cause switch
    {
        DeviceException device => device.IsOutOfMemory,
        ExternalException torch => ((string[])["out of memory", "can't allocate memory"])
            .Any(sign => torch.Message.Contains(sign, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private bool TryCompute(MicroBatch batch, Action<MicroBatch> compute)
    {
        try
        {
            compute(batch);
            return true;
        }
        catch (Exception cause) when (IsOutOfMemory(cause))
        {
            if (batch.Sequences.Length == 1)
                throw new MicroBatchMemoryException(batch.Width, cause);
            _tokens = (int)(batch.ComputedTokens / 2);
            Splits++;
            memory.Trim();
            return false;
        }
    }
}

/// <summary>A single sequence needs more memory than the device has. No weight was changed.</summary>
internal sealed class MicroBatchMemoryException(int tokens, Exception cause)
    : Exception($"one sequence of {tokens} tokens does not fit into its memory", cause)
{
    /// <summary>The sequence's length.</summary>
    public int Tokens => tokens;
}
