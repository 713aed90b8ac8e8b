using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// One micro-batch on the device: right-padded rows of width W, the completion tokens, and the positions that predict
/// them.
/// </summary>
internal sealed class MicroBatchInput : IDisposable
{
    private readonly int[] _completionLengths;
    private readonly Device _device;

    /// <param name="rows">Sequences, each with a completion.</param>
    /// <param name="width">W, at least the longest <see cref="TokenSequence.InputLength"/>.</param>
    /// <param name="device">Where the tensors go.</param>
    public MicroBatchInput(IReadOnlyList<TokenSequence> rows, int width, Device device)
    {
        Sequences = rows;
        RowCount = rows.Count;
        Width = width;
        _device = device;
        _completionLengths = [.. rows.Select(row => row.Completion.Length)];
        TargetCount = _completionLengths.Sum();

        // Padding is token 0: nothing attends to it, nothing is read from it.
        var tokens = new long[rows.Count * width];
        var positions = new long[rows.Count * width];
        var sources = new long[TargetCount];
        var targets = new long[TargetCount];
        var ownRows = new long[TargetCount];
        var next = 0;
        for (var r = 0; r < rows.Count; r++)
        {
            var (prompt, completion) = (rows[r].Prompt, rows[r].Completion);
            for (var i = 0; i < width; i++)
                positions[(r * width) + i] = i;
            for (var i = 0; i < prompt.Length; i++)
                tokens[(r * width) + i] = prompt[i];
            for (var t = 0; t < completion.Length; t++, next++)
            {
                var source = (r * width) + prompt.Length + t - 1;
                if (t < completion.Length - 1)
                    tokens[source + 1] = completion[t];
                sources[next] = source;
                targets[next] = completion[t];
                ownRows[next] = r;
            }
        }

        Tokens = OnDevice(tokens);
        Positions = OnDevice(positions);
        Sources = OnDevice(sources);
        Targets = OnDevice(targets);
        Rows = OnDevice(ownRows);
    }

    /// <summary>The micro-batch of these completions.</summary>
    public static MicroBatchInput Of(IEnumerable<PolicySample> samples, int width, Device device) =>
        new([.. samples.Select(sample => sample.Sequence)], width, device);

    /// <summary>[rows] the sequences, as they were given.</summary>
    public IReadOnlyList<TokenSequence> Sequences { get; }

    public int RowCount { get; }

    /// <summary>W: tokens of a row.</summary>
    public int Width { get; }

    /// <summary>Completion tokens.</summary>
    public int TargetCount { get; }

    /// <summary>[rows · W] int64.</summary>
    public Tensor Tokens { get; }

    /// <summary>[rows · W] int64, from 0 in each row.</summary>
    public Tensor Positions { get; }

    /// <summary>
    /// [targets] int64: the flat position whose hidden state predicts the target, the one before it.
    /// </summary>
    public Tensor Sources { get; }

    /// <summary>[targets] int64: completion tokens, row after row.</summary>
    public Tensor Targets { get; }

    /// <summary>[targets] int64: each target's row.</summary>
    public Tensor Rows { get; }

    /// <summary>[rows] → [targets] float32 on the device: each row's value for each of its targets.</summary>
    public Tensor ForEachTarget(IEnumerable<float> perRow)
    {
        var values =
            perRow.Zip(_completionLengths).SelectMany(pair => Enumerable.Repeat(pair.First, pair.Second));
        return OnDevice([.. values]);
    }

    /// <summary>One value a target, row after row → [targets] float32 on the device.</summary>
    public Tensor ForEachTarget(IEnumerable<float[]> perToken) =>
        OnDevice([.. perToken.SelectMany(values => values)]);

    /// <summary>The same of values that are known of all rows or of none; null of none.</summary>
    public Tensor? ForEachTargetIfKnown(IEnumerable<float[]?> perToken)
    {
        float[][] known = [.. perToken.OfType<float[]>()];
        return known.Length == 0 ? null : ForEachTarget(known);
    }

    /// <summary>[targets] bool on the device: true where a token was not sampled; null where all were.</summary>
    public Tensor? Inserted(IReadOnlyList<PolicySample> samples)
    {
        if (samples.All(sample => sample.Sampled is null))
            return null;
        using var zero = 0.0.ToScalar();
        return ForEachTarget(samples.Select(sample => sample.WeightOfEach(1))).eq(zero);
    }

    public void Dispose()
    {
        Tokens.Dispose();
        Positions.Dispose();
        Sources.Dispose();
        Targets.Dispose();
        Rows.Dispose();
    }

    private Tensor OnDevice(long[] values) => TorchTensors.Upload(tensor(values), _device).DetachFromDisposeScope();

    private Tensor OnDevice(float[] values) => TorchTensors.Upload(tensor(values), _device);
}
