using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;

namespace Rollout.Gpu.Training;

/// <summary>What the updates of one training step did, from which its statistics are made.</summary>
/// <param name="measuresAll">See <see cref="MeasuresAll"/>.</param>
internal sealed class UpdateRecord(bool measuresAll)
{
    private readonly List<string> _skipped = [];
    private LogprobSums _logprobs = LogprobSums.None;
    private PassSums _sums = PassSums.None;
    private double _norms;
    private double? _rate;
    private long _lossTokens;
    private int _processedTokens;
    private int _measuredTokens;
    private long _computedTokens;

    /// <summary>
    /// True where forward passes before the updates compute every completion, as several updates need π_old of all; else
    /// they compute what the only update leaves out.
    /// </summary>
    public bool MeasuresAll => measuresAll;

    /// <summary>Updates that changed the weights.</summary>
    public int OptimizerSteps { get; private set; }

    /// <summary>How often a micro-batch was split because it did not fit into memory.</summary>
    public int Splits { get; set; }

    /// <summary>Why no more updates are to be made, in this step or a later one; null where nothing is wrong.</summary>
    public string? WhyOver { get; set; }

    /// <summary>Adds a forward pass.</summary>
    public void Measured(LogprobSums sums, IEnumerable<PolicySample> samples)
    {
        _logprobs += sums;
        _measuredTokens += samples.Sum(sample => sample.Sequence.InputLength);
    }

    /// <summary>Adds a forward and backward pass, whatever becomes of its gradient.</summary>
    public void Processed(MiniBatch miniBatch) =>
        _processedTokens += miniBatch.Samples.Sum(sample => sample.Sequence.InputLength);

    /// <summary>Adds the micro-batch of a forward and backward pass.</summary>
    public void Computed(MicroBatch microBatch) => _computedTokens += microBatch.ComputedTokens;

    /// <summary>Adds an update that was not made.</summary>
    public void Skipped(string reason) => _skipped.Add(reason);

    /// <summary>Adds an update.</summary>
    public void Updated(MiniBatch miniBatch, PassSums sums, double norm, double rate)
    {
        OptimizerSteps++;
        _sums += sums;
        _norms += norm;
        _rate = rate;
        _lossTokens += miniBatch.LossTokens;
        if (!measuresAll)
            _logprobs += sums.Logprobs;
    }

    /// <param name="batch">The rollouts.</param>
    /// <param name="version">The version of the weights now.</param>
    /// <param name="nextRate">The learning rate where no update was made.</param>
    /// <param name="seconds">The time of the training step.</param>
    /// <param name="memory">The device's memory during it.</param>
    public TrainStats ToStats(
        PolicyBatch batch, PolicyVersion version, double nextRate, double seconds, TrainingMemory? memory)
    {
        var statistics = _sums.Statistics;
        // Without an update there is nothing to average: 0 where none was to be made, NaN where all were skipped.
        var updates = OptimizerSteps > 0 || _skipped.Count == 0 ? Math.Max(OptimizerSteps, 1) : 0;
        var tokens = (double)Math.Max(_lossTokens, 1);
        return new TrainStats
        {
            Version = version,
            Loss = _sums.Loss / updates,
            GradientNorm = _norms / updates,
            LearningRate = _rate ?? nextRate,
            ClipFraction = statistics.Clipped / tokens,
            ClipFractionLow = statistics.ClippedLow / tokens,
            ClipFractionHigh = statistics.ClippedHigh / tokens,
            RatioMean = statistics.Tokens > 0 ? statistics.Ratio / statistics.Tokens : 1,
            RatioMin = statistics.Tokens > 0 ? statistics.RatioMin : 1,
            RatioMax = statistics.Tokens > 0 ? statistics.RatioMax : 1,
            Ratios = RatioBuckets.Histogram(statistics),
            ImportanceWeightMean = statistics.ImportanceWeight / Math.Max(statistics.Tokens, 1),
            ImportanceWeightMin = double.IsFinite(statistics.ImportanceWeightMin) ? statistics.ImportanceWeightMin : 0,
            ImportanceWeightMax = Math.Max(statistics.ImportanceWeightMax, 0),
            ImportanceOutside = statistics.ImportanceOutside / Math.Max(statistics.Tokens, 1),
            Kl = _logprobs.Kl / _logprobs.Tokens,
            Entropy = _logprobs.Surprise / _logprobs.Tokens,
            LogprobDifferenceMean = _logprobs.Difference / _logprobs.Tokens,
            LogprobDifferenceMax = _logprobs.Tokens > 0 ? _logprobs.DifferenceMax : double.NaN,
            SamplerRatios = [.. batch.Samples.SelectMany(sample => sample.SamplerRatios)],
            TrainedTokens = batch.Samples.Where(sample => sample.HasGradient).Sum(sample => sample.LossTokens),
            EqualRewardGroups = batch.EqualRewardGroups,
            Advantages = [.. batch.Samples.Select(sample => sample.Advantage)],
            Seconds = seconds,
            ProcessedTokens = _processedTokens,
            ComputedTokens = _computedTokens,
            MeasuredTokens = _measuredTokens,
            OptimizerSteps = OptimizerSteps,
            SkippedUpdates = _skipped.Count == 0 ? [] : [.. _skipped],
            MicroBatchSplits = Splits,
            WhyOver = WhyOver,
            Memory = memory,
        };
    }
}
