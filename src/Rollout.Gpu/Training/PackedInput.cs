using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// One micro-batch on a GPU without padding: the tokens of its sequences one after another, the targets, and which rows
/// the gradients of hidden states and embeddings sum. One copy brings all numbers, int32 each, to the device.
/// </summary>
internal sealed class PackedInput : IDisposable
{
    private readonly Tensor _numbers;
    private readonly nint _memory;
    private readonly List<int[]> _parts = [];
    private int _end;

    /// <param name="rows">Sequences, each with a completion.</param>
    /// <param name="device">The GPU.</param>
    public PackedInput(IReadOnlyList<TokenSequence> rows, Device device)
    {
        TokenCount = rows.Sum(row => row.InputLength);
        TargetCount = rows.Sum(row => row.Completion.Length);
        SequenceCount = rows.Count;
        Longest = rows.Max(row => row.InputLength);
        int[] tokens = [.. rows.SelectMany(row => row.Prompt.Concat(row.Completion.SkipLast(1)))];
        var starts = new int[rows.Count + 1];
        for (var i = 0; i < rows.Count; i++)
            starts[i + 1] = starts[i] + rows[i].InputLength;
        int[] sources =
        [
            .. rows.SelectMany((row, i) => Enumerable.Range(starts[i] + row.Prompt.Length - 1, row.Completion.Length)),
        ];
        var byToken = Enumerable.Range(0, TokenCount).GroupBy(i => tokens[i]).ToArray();
        DistinctTokens = byToken.Length;

        var places = new
        {
            Tokens = Place(tokens),
            Positions = Place([.. rows.SelectMany(row => Enumerable.Range(0, row.InputLength))]),
            Slots = Place([.. Enumerable.Range(0, TokenCount)]),
            Starts = Place(starts),
            Sources = Place(sources),
            Targets = Place([.. rows.SelectMany(row => row.Completion)]),
            SourceOrder = Place([.. Enumerable.Range(0, TargetCount)]),
            SourceStart = Place(FirstOf(sources, TokenCount)),
            TokenOrder = Place([.. byToken.SelectMany(group => group)]),
            TokenStart = Place(Sums(byToken.Select(group => group.Count()))),
            TokenIds = Place([.. byToken.Select(group => group.Key)]),
        };
        _numbers = TorchTensors.Upload(tensor(_parts.SelectMany(part => part).ToArray()), device).DetachFromDisposeScope();
        _memory = TorchTensors.Pointer(_numbers);
        _parts.Clear();
        nint At(int place) => _memory + (place * sizeof(int));
        (Tokens, Positions, Slots, Sources) = (At(places.Tokens), At(places.Positions), At(places.Slots), At(places.Sources));
        (Targets, SourceOrder, SourceStart) = (At(places.Targets), At(places.SourceOrder), At(places.SourceStart));
        (TokenOrder, TokenStart, TokenIds) = (At(places.TokenOrder), At(places.TokenStart), At(places.TokenIds));
        Starts = TorchTensors.At(At(places.Starts), [rows.Count + 1], ScalarType.Int32, device).DetachFromDisposeScope();
        StartsOnHost = starts;
    }

    public int TokenCount { get; }

    public int TargetCount { get; }

    public int SequenceCount { get; }

    /// <summary>Tokens of the longest sequence.</summary>
    public int Longest { get; }

    /// <summary>Token ids that occur.</summary>
    public int DistinctTokens { get; }

    /// <summary>[tokens].</summary>
    public nint Tokens { get; }

    /// <summary>[tokens], from 0 in each sequence.</summary>
    public nint Positions { get; }

    /// <summary>[tokens] 0, 1, 2, …</summary>
    public nint Slots { get; }

    /// <summary>[sequences + 1] the first token of each sequence.</summary>
    public Tensor Starts { get; }

    /// <summary>[sequences + 1] the same on the host.</summary>
    public IReadOnlyList<int> StartsOnHost { get; }

    /// <summary>[targets] the token whose hidden state predicts the target.</summary>
    public nint Sources { get; }

    /// <summary>[targets] completion tokens.</summary>
    public nint Targets { get; }

    /// <summary>[targets] targets by their sources.</summary>
    public nint SourceOrder { get; }

    /// <summary>[tokens + 1] the first entry of <see cref="SourceOrder"/> of each token.</summary>
    public nint SourceStart { get; }

    /// <summary>[tokens] tokens by their ids.</summary>
    public nint TokenOrder { get; }

    /// <summary>[distinct tokens + 1] the first entry of <see cref="TokenOrder"/> of each id.</summary>
    public nint TokenStart { get; }

    /// <summary>[distinct tokens] ids.</summary>
    public nint TokenIds { get; }

    public void Dispose()
    {
        Starts.Dispose();
        _numbers.Dispose();
    }

    private int Place(int[] part)
    {
        var place = _end;
        _parts.Add(part);
        _end += part.Length;
        return place;
    }

    /// <summary>[tokens + 1] how many of the ascending sources are below each token.</summary>
    private static int[] FirstOf(int[] sources, int tokens)
    {
        var first = new int[tokens + 1];
        foreach (var source in sources)
            first[source + 1]++;
        for (var i = 0; i < tokens; i++)
            first[i + 1] += first[i];
        return first;
    }

    private static int[] Sums(IEnumerable<int> counts)
    {
        var sums = new List<int> { 0 };
        foreach (var count in counts)
            sums.Add(sums[^1] + count);
        return [.. sums];
    }
}
