using System.Runtime.InteropServices;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class MicroBatchBudgetTests
{
    private const string OfCuda = "CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc";

    [Fact]
    public void What_does_not_fit_is_halved_until_it_fits_and_all_begins_again()
    {
        var budget = new MicroBatchBudget(100, new MemoryBoundaries(null));
        List<int> computed = [];
        budget.ForEach([10, 10, 10, 10, 10, 3], computed.Clear, batch =>
        {
            computed.AddRange(batch.Sequences);
            if (batch.PaddedTokens > 20)
                throw new ExternalException(OfCuda);
        });

        Assert.Equal([0, 1, 2, 3, 4, 5], computed);
        Assert.Equal(2, budget.Splits); // 60 → 30 → 15
    }

    [Fact]
    public void The_smaller_budget_holds_for_what_follows()
    {
        var budget = new MicroBatchBudget(100, new MemoryBoundaries(null));
        var widest = 0L;
        void Compute(MicroBatch batch)
        {
            widest = batch.PaddedTokens;
            if (batch.PaddedTokens > 20)
                throw new ExternalException("DefaultCPUAllocator: can't allocate memory");
        }

        budget.ForEach([10, 10, 10, 10], () => { }, Compute);
        var splits = budget.Splits;
        budget.ForEach([10, 10, 10, 10], () => { }, Compute);

        Assert.Equal(splits, budget.Splits);
        Assert.InRange(widest, 1, 20);
    }

    [Fact]
    public void A_single_sequence_that_does_not_fit_is_named_by_its_length()
    {
        var budget = new MicroBatchBudget(100, new MemoryBoundaries(null));

        var failure = Assert.Throws<MicroBatchMemoryException>(() => budget.ForEach(
            [40, 5], () => { }, _ => throw new ExternalException(OfCuda)));

        Assert.Equal("one sequence of 40 tokens does not fit into its memory", failure.Message);
    }

    [Fact]
    public void Any_other_failure_is_not_tried_again()
    {
        var budget = new MicroBatchBudget(100, new MemoryBoundaries(null));
        var tries = 0;

        Assert.Throws<ExternalException>(() => budget.ForEach([4, 4], () => tries++, _ =>
            throw new ExternalException("CUDA error: an illegal memory access was encountered")));

        Assert.Equal((1, 0), (tries, budget.Splits));
    }
}
