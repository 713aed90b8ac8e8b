using Rollout.Gpu.Sampling;

namespace Rollout.Gpu.Training;

/// <summary>
/// Divides the groups of a batch into the mini-batches of its optimizer steps, in an order that the seed shuffles anew
/// in each iteration. It depends on nothing else, so a resumed run makes the same steps.
/// </summary>
/// <param name="seed">The run's seed.</param>
/// <param name="size">Groups of a mini-batch; 0 takes the whole batch.</param>
internal sealed class MiniBatchOrder(ulong seed, int size)
{
    // Keeps this use of Philox under the run's seed apart from others. Reads "mini".
    private const uint Tag = 0x6D696E69;

    /// <summary>How many mini-batches a batch has.</summary>
    public int Count(int groups) => size == 0 || groups == 0 ? 1 : (groups + size - 1) / size;

    /// <summary>The groups of each mini-batch, ascending; the last one may have fewer.</summary>
    /// <param name="groups">Groups of the batch.</param>
    /// <param name="step">Which training step it is.</param>
    /// <param name="iteration">Which pass over the batch it is.</param>
    public IReadOnlyList<int[]> Of(int groups, int step, int iteration)
    {
        var all = Enumerable.Range(0, groups);
        return Count(groups) == 1
            ? [[.. all]]
            : [.. all.OrderBy(Draw).Chunk(size).Select(chunk => chunk.Order().ToArray())];

        (uint, uint) Draw(int group)
        {
            var (first, second, _, _) = Philox.Words(seed, (uint)group, (uint)step, (uint)iteration, Tag);
            return (first, second);
        }
    }
}
