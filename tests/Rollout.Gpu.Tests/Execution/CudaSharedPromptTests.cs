using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>A whole model in bfloat16 with heads of 128 numbers: a group's prompt read once, or by every sample.</summary>
[Collection(GpuTests.Name)]
public sealed class CudaSharedPromptTests
{
    private const double Near = 0.02;

    private static readonly SamplingParams Sampled = new() { MaxTokens = 1, Seed = 11 };

    public CudaSharedPromptTests() => GpuMachine.Require();

    [Fact]
    public void Sharing_a_prompt_changes_no_log_probability()
    {
        const int Samples = 16, NewTokens = 24;
        using var weights = CudaPolicy.Wide(layers: 2);
        var prompts = TinyPolicy.Prompts(new Random(10), [200, 65, 333]);
        Generated[] Run(bool sharesPrompts)
        {
            using var runner = CudaPolicy.Runner(weights, sharesPrompts: sharesPrompts);
            return new StepDriver(runner).Generate(prompts, Samples, Sampled, _ => NewTokens);
        }

        var (once, each) = (Run(sharesPrompts: true), Run(sharesPrompts: false));

        // Where two tokens are nearly as likely to win, rounding lets samples part: up to there they are compared.
        var differences = once.Zip(each).SelectMany(pair => pair.First.Logprobs.Zip(pair.Second.Logprobs)
            .Take(CommonTokens(pair.First, pair.Second))
            .Select(logprobs => Math.Abs((double)logprobs.First - logprobs.Second))).ToArray();
        Assert.InRange(differences.Length, prompts.Length * Samples * NewTokens / 2, int.MaxValue);
        Assert.InRange(differences.Average(), 0, Near);
        var (ofOnce, ofEach) = (MeanDifference(weights, once), MeanDifference(weights, each));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"mean |difference| {differences.Average():0.0000} of {differences.Length}; from libtorch's forward "
            + $"{ofOnce:0.0000} and {ofEach:0.0000}");
        Assert.InRange(ofOnce, 0, Near);
        Assert.InRange(ofEach, 0, Near);
    }

    private static int CommonTokens(Generated one, Generated other) => one.Tokens.Zip(other.Tokens)
        .Skip(one.Prompt.Length).TakeWhile(tokens => tokens.First == tokens.Second).Count();

    private static double MeanDifference(PolicyWeights weights, Generated[] sequences) => sequences.SelectMany(sequence =>
    {
        var exact = TinyPolicy.Recompute(weights, sequence.Tokens);
        return sequence.Logprobs.Select((logprob, i) => Math.Abs(
            logprob - (double)exact[sequence.Prompt.Length + i - 1, sequence.Tokens[sequence.Prompt.Length + i]]));
    }).Average();
}
