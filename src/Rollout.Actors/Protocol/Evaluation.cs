namespace Rollout.Actors.Protocol;

/// <summary>What an evaluation measured.</summary>
/// <param name="Sets">The held-out sets, at least one, in the order of the configuration.</param>
public sealed record Evaluation(IReadOnlyList<EvaluatedSet> Sets)
{
    /// <summary>The greedy accuracy of the first set, 0 … 1: it ends the run, and says which checkpoint is the best.</summary>
    public double Accuracy => Sets[0].Accuracy;
}

/// <summary>The answers to one held-out set.</summary>
/// <param name="Name">The set's name.</param>
/// <param name="Accuracy">The share of prompts whose greedy sample is right, 0 … 1.</param>
/// <param name="Sampled">What the samples at eval.temperature say; null where there is none.</param>
/// <param name="Groups">Every prompt that was answered.</param>
public sealed record EvaluatedSet(
    string Name, double Accuracy, SampledAccuracy? Sampled, IReadOnlyList<EvaluatedGroup> Groups);

/// <summary>What several samples of each prompt say.</summary>
/// <param name="Samples">n, the samples of each prompt.</param>
/// <param name="Mean">mean@n: the share of samples that is right, 0 … 1.</param>
/// <param name="PassAt">Each k with pass@k, the probability that k samples hold a right one, 0 … 1.</param>
public sealed record SampledAccuracy(int Samples, double Mean, IReadOnlyList<(int K, double Share)> PassAt);

/// <summary>A held-out prompt with its samples: the first is greedy, the others are drawn at eval.temperature.</summary>
/// <param name="Scored">The samples and their rewards.</param>
/// <param name="Right">[samples] which of them are right.</param>
public sealed record EvaluatedGroup(ScoredGroup Scored, bool[] Right);
