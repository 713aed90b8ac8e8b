using System.Globalization;

namespace Rollout.Actors.Data;

/// <summary>One dataset of a mix.</summary>
/// <param name="Name">Becomes the field "dataset" of its prompts; null leaves them as they are.</param>
/// <param name="Weight">Its share of the prompts, relative to the other weights; above 0.</param>
/// <param name="Prompts">Its prompts.</param>
public sealed record MixPart(string? Name, double Weight, IPromptSource Prompts);

/// <summary>Easy prompts first.</summary>
/// <param name="Field">The field with a prompt's difficulty, a number.</param>
/// <param name="Prompts">Prompts of the whole mix until it ends.</param>
public sealed record Curriculum(string Field, long Prompts);

/// <summary>
/// Trains on one or more datasets. Each gets prompts by its weight, spread evenly, and has each of its prompts once in an
/// epoch of its own. Seed and cursor decide the prompt: nothing is remembered.
/// </summary>
public sealed class PromptMix : IPromptDataset
{
    // The held-out order is the same in every run, whatever its seed.
    private const ulong HeldOutSeed = 0x6D69786564;

    /// <summary>The field with the name of a prompt's dataset.</summary>
    public const string DatasetField = "dataset";

    private readonly IReadOnlyList<MixPart> _parts;
    private readonly WeightedTurns _turns;
    private readonly PromptOrder[] _orders;

    /// <param name="parts">The datasets, at least one, each with a prompt to train on.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="curriculum">Each dataset goes from its easiest prompt to its hardest; null shuffles from the start.</param>
    /// <exception cref="InvalidDataException">A prompt has no number in the curriculum's field.</exception>
    public PromptMix(IReadOnlyList<MixPart> parts, long seed, Curriculum? curriculum = null)
    {
        _parts = parts;
        _turns = new WeightedTurns([.. parts.Select(part => part.Weight)], (ulong)seed);
        _orders = [.. parts.Select((_, part) => Order(part, (ulong)seed, curriculum))];
        HeldOut = parts.Count == 1 ? List(parts[0], parts[0].Prompts.HeldOut) : MixedHeldOut();
    }

    /// <inheritdoc/>
    /// <remarks>In a fixed shuffled order, so that the first n are a fair sample.</remarks>
    public IReadOnlyList<PromptItem> HeldOut { get; }

    /// <summary>The training prompts that come from files, whose texts may hold anything.</summary>
    public IEnumerable<PromptItem> FromFiles =>
        _parts.Where(part => part.Prompts is FileDataset).SelectMany(part => List(part, part.Prompts.Train));

    /// <summary>The training prompts of all datasets, each once.</summary>
    public IEnumerable<PromptItem> Epoch => _parts.SelectMany(part => List(part, part.Prompts.Train));

    /// <inheritdoc/>
    public PromptItem Train(long cursor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(cursor);
        var (part, before) = _turns.At(cursor);
        return Named(_parts[part], _parts[part].Prompts.Train[_orders[part][before]]);
    }

    private PromptOrder Order(int part, ulong seed, Curriculum? curriculum)
    {
        if (_parts.Count > 1)
            seed = SplitMix64.Mix(seed, (ulong)part);
        var prompts = _parts[part].Prompts.Train;
        return curriculum is null
            ? new PromptOrder(prompts.Count, seed)
            : new PromptOrder(
                [.. prompts.Select(item => Difficulty(item, curriculum.Field))], seed, _turns.Before(part, curriculum.Prompts));
    }

    private PromptList MixedHeldOut()
    {
        (MixPart Part, int Index)[] all =
            [.. _parts.SelectMany(part => Enumerable.Range(0, part.Prompts.HeldOut.Count).Select(index => (part, index)))];
        return new PromptList(all.Length, index =>
        {
            var (part, at) = all[new SeededPermutation(all.Length, HeldOutSeed)[index]];
            return Named(part, part.Prompts.HeldOut[at]);
        });
    }

    private static PromptList List(MixPart part, IReadOnlyList<PromptItem> prompts) =>
        new(prompts.Count, index => Named(part, prompts[index]));

    private static PromptItem Named(MixPart part, PromptItem item) => part.Name is null
        ? item
        : item with { Fields = new Dictionary<string, string>(item.Fields) { [DatasetField] = part.Name } };

    private static double Difficulty(PromptItem item, string field) =>
        item.Fields.TryGetValue(field, out var text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? number
            : throw new InvalidDataException($"{item.Id}: has no number in field \"{field}\", which data.curriculum sorts by");
}
