using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels.Cpu;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// Draws tokens from logits in host memory by the rules of <see cref="SamplingRng"/>. One thread at a time uses it; it
/// spreads large work over more threads. It keeps scratch memory and allocates nothing for a draw.
/// </summary>
internal sealed class Sampler
{
    // Below so many draws × tokens of the vocabulary, a second thread costs more than it saves.
    private const int WorthSharing = 1 << 17;

    private readonly WorkerTeam _team;
    private readonly Scratch[] _scratch;

    /// <param name="threads">The most threads, the caller's included.</param>
    public Sampler(int threads)
    {
        _team = new WorkerTeam(threads);
        _scratch = new Scratch[threads];
        foreach (ref var scratch in _scratch.AsSpan())
            scratch = new Scratch();
    }

    /// <summary>Samples the batch's draws into the output's tokens and log-probabilities.</summary>
    /// <param name="logits">[rows, vocab].</param>
    /// <param name="vocabulary">Logits of a row.</param>
    /// <param name="batch">The batch. Draws of one row and temperature are cheapest side by side.</param>
    /// <param name="logitRows">[draws] each draw's row of <paramref name="logits"/>.</param>
    /// <param name="output">The output, whose arrays grow as needed.</param>
    /// <exception cref="DrawFaultException">
    /// Rows of logits hold NaN or +∞, or nothing finite. All other draws are sampled.
    /// </exception>
    public unsafe void Sample(
        ReadOnlySpan<float> logits, int vocabulary, ForwardBatch batch, int[] logitRows, StepOutput output)
    {
        var count = batch.DrawCount;
        output.Count = count;
        if (output.Tokens.Length < count)
            (output.Tokens, output.Logprobs) = (new int[count], new float[count]);
        if (output.SamplingLogprobs.Length < count && batch.HasFilters)
            output.SamplingLogprobs = new float[count];

        // Other threads can't use a span. The memory behind it outlives the call.
        fixed (float* logitsAt = logits)
        {
            var work = new Work(logitsAt, vocabulary, batch.Draws, logitRows, count, output);
            var parts = (long)count * vocabulary < WorthSharing ? 1 : Math.Min(count, 4 * _team.Threads);
            _team.Run(parts, (worker, part) => work.SamplePart(_scratch[worker], part, parts));
            work.ThrowIfFailed();
        }
    }

    private sealed class Scratch
    {
        public RowDistribution Row { get; } = new();

        public TokenFilter Filter { get; } = new();
    }

    private sealed unsafe class Work(
        float* logits, int vocabulary, Draw[] draws, int[] logitRows, int count, StepOutput output)
    {
        private readonly List<int> _failedDraws = [];

        public void SamplePart(Scratch scratch, int part, int parts)
        {
            var end = (int)((long)count * (part + 1) / parts);
            var (loadedRow, loadedTemperature) = (-1, 0f);
            for (var i = (int)((long)count * part / parts); i < end; i++)
            {
                var row = logitRows[i];
                var sampling = draws[i].Sampling;
                var temperature = sampling.IsGreedy ? 1 : sampling.Temperature;
                var rowLogits = new ReadOnlySpan<float>(logits + ((long)row * vocabulary), vocabulary);
                if (row != loadedRow || temperature != loadedTemperature)
                {
                    if (!scratch.Row.TryLoad(rowLogits, temperature))
                    {
                        loadedRow = -1;
                        lock (_failedDraws)
                            _failedDraws.Add(i);
                        continue;
                    }

                    (loadedRow, loadedTemperature) = (row, temperature);
                }

                var (token, keptSum) = Choose(scratch, rowLogits, draws[i]);
                output.Tokens[i] = token;
                output.Logprobs[i] = scratch.Row.LogProbability(rowLogits[token]);
                if (sampling.Filters)
                    output.SamplingLogprobs[i] = scratch.Row.LogProbabilityAmong(token, rowLogits[token], keptSum);
            }
        }

        public void ThrowIfFailed()
        {
            if (_failedDraws.Count > 0)
                throw new DrawFaultException([.. _failedDraws.Order()]);
        }

        // The token, and the weights' sum over the tokens that it was drawn from.
        private static (int Token, double KeptSum) Choose(Scratch scratch, ReadOnlySpan<float> logits, in Draw draw)
        {
            var (row, sampling) = (scratch.Row, draw.Sampling);
            if (sampling.IsGreedy)
                return (row.ArgMax, row.Sum);
            if (!TokenFilter.NeedsOrder(sampling, logits.Length))
            {
                return (Race.Draw(logits, row, draw.Key, draw.Position, sampling.MinP),
                    sampling.MinP > 0 ? row.SumFrom(sampling.MinP) : row.Sum);
            }

            var kept = scratch.Filter.Keep(logits, row, sampling);
            return (Race.Draw(logits, row, draw.Key, draw.Position, kept), row.SumOf(kept));
        }
    }
}
