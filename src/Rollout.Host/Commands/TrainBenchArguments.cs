using System.CommandLine;
using System.CommandLine.Parsing;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>The options of `rollout bench --train`.</summary>
internal sealed class TrainBenchArguments
{
    private static readonly TrainBenchOptions Defaults = new();

    private readonly Option<bool> _train =
        new("--train") { Description = "Measure training steps of random rollouts, in place of --workload." };

    private readonly Option<int?> _sequences = OptionKinds.Number("--sequences", $"Sequences of a training step (default: {Defaults.Sequences}).", least: 2);
    private readonly Option<int?> _prompt = OptionKinds.Number("--prompt-length", $"Tokens of a prompt (default: {Defaults.PromptLength}).", least: 1);
    private readonly Option<int?> _completion =
        OptionKinds.Number("--completion-length", $"Tokens of a completion (default: {Defaults.CompletionLength}).", least: 1);

    private readonly Option<int?> _group = OptionKinds.Number("--group-size", $"Sequences that share a prompt (default: {Defaults.GroupSize}).", least: 2);
    private readonly Option<int?> _microBatch =
        OptionKinds.Number("--micro-batch-tokens", "The most tokens of a forward and backward pass (default: 16384).", least: 1);

    private readonly Option<int?> _steps = OptionKinds.Number("--steps", $"Measured training steps (default: {Defaults.Steps}).", least: 1);

    private readonly Option<bool> _autograd =
        new("--autograd") { Description = "Compute by libtorch's autograd on a GPU too." };

    private readonly Option<string?> _recompute = OptionKinds.OneOf(
        "--recompute", "What a backward pass by kernels computes again in place of keeping it.", "none",
        "attention-and-gate", "layers");

    private readonly Option<bool> _offload =
        new("--offload") { Description = "Keep the optimizer's state in host memory." };

    private readonly Option<int?> _loraRank =
        OptionKinds.Number("--lora-rank", "Train a LoRA adapter of this rank on all projections.", least: 1);

    private readonly Option<bool> _dryRun = OptionKinds.DryRun();

    public void AddTo(Command command)
    {
        Option[] details = [_sequences, _prompt, _completion, _group, _microBatch, _steps, _autograd, _recompute, _offload, _loraRank, _dryRun];
        command.Options.Add(_train);
        foreach (var option in details)
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            foreach (var option in details.Where(option => !IsGiven(result) && result.GetResult(option) is not null))
                result.AddError($"{option.Name} needs --train.");
            var (sequences, group) = (Given(result, _sequences) ?? Defaults.Sequences, Given(result, _group) ?? Defaults.GroupSize);
            if (sequences % group != 0)
                result.AddError($"--sequences is {sequences}, expected a multiple of --group-size, which is {group}.");
        });
    }

    /// <summary>Whether training is to be measured.</summary>
    public bool IsGiven(CommandResult result) => result.GetResult(_train) is not null;

    /// <summary>Null where a workload is measured.</summary>
    public TrainBenchOptions? Read(ParseResult parsed) => !parsed.GetValue(_train) ? null : new TrainBenchOptions
    {
        Sequences = parsed.GetValue(_sequences) ?? Defaults.Sequences,
        PromptLength = parsed.GetValue(_prompt) ?? Defaults.PromptLength,
        CompletionLength = parsed.GetValue(_completion) ?? Defaults.CompletionLength,
        GroupSize = parsed.GetValue(_group) ?? Defaults.GroupSize,
        MicroBatchTokens = parsed.GetValue(_microBatch),
        Steps = parsed.GetValue(_steps) ?? Defaults.Steps,
        Autograd = parsed.GetValue(_autograd),
        Recompute = parsed.GetValue(_recompute),
        Offload = parsed.GetValue(_offload),
        LoraRank = parsed.GetValue(_loraRank),
        DryRun = parsed.GetValue(_dryRun),
    };

    // Null also for a value that another error refuses.
    private static int? Given(CommandResult result, Option<int?> option) =>
        result.GetResult(option) is { } given && !given.Errors.Any() ? given.GetValueOrDefault<int?>() : null;
}
