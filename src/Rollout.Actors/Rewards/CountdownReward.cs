using System.Globalization;
using System.Numerics;
using Rollout.Actors.Rewards.Answers;

namespace Rollout.Actors.Rewards;

/// <summary>
/// The numbers game: 1 if the completion's answer is an expression that equals the prompt's target and uses each of its
/// numbers exactly once, as in TinyZero's Countdown; else 0. The answer is the text between the last
/// &lt;answer> and &lt;/answer>. <see cref="FourOperations"/> says what an expression is.
/// </summary>
public sealed class CountdownReward : IRewardFunction
{
    private const string Opening = "<answer>", Closing = "</answer>";

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The prompt has no whole numbers in the fields "numbers" and "target".</exception>
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        var numbers = Wholes(sample, "numbers");
        if (Wholes(sample, "target") is not [var target])
            throw Unreadable(sample, "target", "a whole number");
        return new(
            FourOperations.Evaluate(Answer(sample.Completion)) is { } answer
            && answer.Value == Rational.Of(target)
            && answer.Numbers.Order().SequenceEqual(numbers.Order())
                ? 1 : 0);
    }

    /// <summary>What is between the last marks; empty where one is missing.</summary>
    private static ReadOnlySpan<char> Answer(ReadOnlySpan<char> completion)
    {
        var end = completion.LastIndexOf(Closing);
        var before = completion[..Math.Max(end, 0)];
        var start = before.LastIndexOf(Opening);
        return start < 0 ? [] : before[(start + Opening.Length)..];
    }

    /// <summary>Numbers separated by white space or commas, in brackets or not.</summary>
    private static BigInteger[] Wholes(ScoredSample sample, string field)
    {
        var texts = sample.Require(field).Split([' ', ',', '[', ']'], StringSplitOptions.RemoveEmptyEntries);
        var numbers = texts
            .Select(text => BigInteger.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw Unreadable(sample, field, "whole numbers"))
            .ToArray();
        return numbers.Length > 0 ? numbers : throw Unreadable(sample, field, "whole numbers");
    }

    private static InvalidDataException Unreadable(ScoredSample sample, string field, string expected) =>
        new($"prompt {sample.Item.Id} has \"{sample.Require(field)}\" in field \"{field}\", expected {expected}");
}
