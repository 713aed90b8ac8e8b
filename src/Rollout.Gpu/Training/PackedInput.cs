using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// One micro-batch on a GPU without padding: the tokens of its <see cref="PackedLayout"/>, the targets, and which rows
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
        var layout = new PackedLayout(rows);
        Layout = layout;
        TokenCount = layout.Tokens.Count;
        TargetCount = layout.Sources.Length;
        int[] byTarget = [.. Enumerable.Range(0, TargetCount).OrderBy(target => layout.Sources[target])]; // stable
        var byToken = Enumerable.Range(0, TokenCount).GroupBy(i => layout.Tokens[i]).ToArray();
        DistinctTokens = byToken.Length;

        var places = new
        {
            Tokens = Place([.. layout.Tokens]),
            Positions = Place([.. layout.Positions]),
            Slots = Place([.. Enumerable.Range(0, TokenCount)]),
            Starts = Place([.. layout.Starts]),
            QueryStarts = Place([.. layout.QueryStarts]),
            KeyStarts = Place([.. layout.KeyStarts]),
            Sources = Place(layout.Sources),
            Targets = Place([.. rows.SelectMany(row => row.Completion)]),
            SourceOrder = Place(byTarget),
            SourceStart = Place(FirstOf(layout.Sources, TokenCount)),
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
        Tensor View(int place, int count) =>
            TorchTensors.At(At(place), [count], ScalarType.Int32, device).DetachFromDisposeScope();
        Starts = View(places.Starts, layout.Starts.Count);
        QueryStarts = View(places.QueryStarts, layout.QueryStarts.Count);
        KeyStarts = View(places.KeyStarts, layout.KeyStarts.Count);
    }

    /// <summary>Where the tokens are, on the host.</summary>
    public PackedLayout Layout { get; }

    public int TokenCount { get; }

    public int TargetCount { get; }

    /// <summary>Token ids that occur.</summary>
    public int DistinctTokens { get; }

    /// <summary>[tokens].</summary>
    public nint Tokens { get; }

    /// <summary>[tokens] places in their sequences, from 0.</summary>
    public nint Positions { get; }

    /// <summary>[tokens] 0, 1, 2, …</summary>
    public nint Slots { get; }

    /// <summary><see cref="PackedLayout.Starts"/>.</summary>
    public Tensor Starts { get; }

    /// <summary><see cref="PackedLayout.QueryStarts"/>.</summary>
    public Tensor QueryStarts { get; }

    /// <summary><see cref="PackedLayout.KeyStarts"/>.</summary>
    public Tensor KeyStarts { get; }

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
        QueryStarts.Dispose();
        KeyStarts.Dispose();
        _numbers.Dispose();
    }

    private int Place(int[] part)
    {
        var place = _end;
        _parts.Add(part);
        _end += part.Length;
        return place;
    }

    /// <summary>[tokens + 1] how many of the sources are below each token.</summary>
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
