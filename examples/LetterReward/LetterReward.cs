using System.Globalization;
using Rollout.Actors.Rewards;

namespace LetterReward;

/// <summary>The share of a completion's characters that are the letter which the prompt asks for.</summary>
/// <param name="options">
/// The reward's keys in the job. power, at least 1, favours completions that are nearly right.
/// </param>
public sealed class LetterShare(IReadOnlyDictionary<string, string> options) : IRewardFunction
{
    private readonly double _power = double.Parse(options["power"], CultureInfo.InvariantCulture);

    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        // A field of the prompt's line, by its name.
        var letter = sample.Require("letter")[0];
        var share = (double)sample.Completion.Count(character => character == letter) / sample.Tokens.Length;
        return new(Math.Pow(share, _power));
    }
}
