using Rollout.Actors.Settings;

namespace Rollout.Actors.Data;

/// <summary>
/// The numbers game: reach the target with + - * / from given numbers, each used once. The prompt is "3 5 8 2 = 35" and a
/// line feed; the fields are "numbers" and "target", which the reward <c>countdown</c> reads, and "answer", a search
/// for a solution (<see cref="CountdownTrace"/>), for supervised learning. A tenth of all choices of numbers is held out
/// of training, whatever their order and the target. It is the same for every seed, and so are the held-out prompts.
/// </summary>
public sealed class CountdownDataset : IPromptSource
{
    private const ulong HeldOutKey = 0x636F756E74;   // The same problems in every run.
    private const ulong GivingUpKey = 0x67697665;    // Another draw than that of the tries.
    private const int DrawsPerHeldOut = 1_000;

    private readonly CountdownSettings _settings;

    /// <param name="settings">The section <c>data.countdown</c>.</param>
    /// <param name="seed">Decides the training problems.</param>
    /// <exception cref="ArgumentException">There are too few different problems to hold out.</exception>
    public CountdownDataset(CountdownSettings settings, long seed)
    {
        _settings = settings;
        Train = new PromptList(settings.Problems, index => Item(Draws((ulong)seed, (ulong)index)
            .First(drawn => !IsHeldOut(drawn.Numbers))));
        HeldOut = [.. DrawHeldOut(settings.HeldOut).Select(Item)];
    }

    /// <inheritdoc/>
    /// <remarks>Each is drawn by itself, so that some come twice.</remarks>
    public IReadOnlyList<PromptItem> Train { get; }

    /// <inheritdoc/>
    /// <remarks>All different.</remarks>
    public IReadOnlyList<PromptItem> HeldOut { get; }

    private Problem[] DrawHeldOut(int count)
    {
        var problems = Draws(HeldOutKey, 0).Take(DrawsPerHeldOut * count)
            .Where(drawn => IsHeldOut(drawn.Numbers))
            .DistinctBy(drawn => (string.Join(' ', drawn.Numbers.Order()), drawn.Target))
            .Take(count)
            .ToArray();
        return problems.Length == count ? problems : throw new ArgumentException(
            $"max-number = {_settings.MaxNumber} and max-target = {_settings.MaxTarget} give {problems.Length} problems "
            + $"to hold out, fewer than held-out = {count}");
    }

    /// <summary>An endless sequence of solvable problems. A random play decides the target.</summary>
    private IEnumerable<Problem> Draws(ulong seed, ulong index)
    {
        for (var draw = 0UL; ; draw++)
        {
            var key = SplitMix64.Mix(SplitMix64.Mix(seed, index), draw);
            var next = 0UL;
            int Below(int count) => SplitMix64.Below(count, SplitMix64.Mix(key, next++));

            var count = _settings.MinNumbers + Below(_settings.MaxNumbers - _settings.MinNumbers + 1);
            int[] numbers = [.. Enumerable.Range(0, count).Select(_ => 1 + Below(_settings.MaxNumber))];
            var left = CountdownGame.Start(numbers);
            while (left.Length > 1)
            {
                CountdownMove[] moves = [.. CountdownGame.Moves(left)];
                left = CountdownGame.After(left, moves[Below(moves.Length)]);
            }
            if (left[0].Value <= _settings.MaxTarget)
                yield return new Problem(numbers, left[0].Value, key);
        }
    }

    private static bool IsHeldOut(int[] numbers) =>
        SplitMix64.Below(10, numbers.Order().Aggregate(HeldOutKey, (hash, number) => SplitMix64.Mix(hash, (ulong)number))) == 0;

    private PromptItem Item(Problem problem)
    {
        var numbers = string.Join(' ', problem.Numbers);
        var tries = _settings.MinTries
            + SplitMix64.Below(_settings.MaxTries - _settings.MinTries + 1, SplitMix64.Mix(problem.Key));
        var givesUp = Math.ScaleB(SplitMix64.Mix(problem.Key, GivingUpKey) >> 11, -53) < _settings.GiveUp;
        return new PromptItem($"{numbers} = {problem.Target}", $"{numbers} = {problem.Target}\n", new Dictionary<string, string>
        {
            ["numbers"] = numbers,
            ["target"] = $"{problem.Target}",
            ["answer"] = CountdownTrace.Write(problem.Numbers, problem.Target, tries, givesUp, problem.Key),
        });
    }

    private sealed record Problem(int[] Numbers, int Target, ulong Key);
}
