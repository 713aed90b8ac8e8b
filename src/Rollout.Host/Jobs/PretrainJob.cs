using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Spectre.Console;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs <c>rollout pretrain</c>: trains a model with random weights on the answers of a dataset by cross-entropy, and
/// stops early, so that GRPO has something to improve. The same command gives the same model.
/// </summary>
public static class PretrainJob
{
    public static Task<int> RunAsync(PretrainOptions options, CommandContext context)
    {
        var tree = ConfigTree.Load(options.Config, options.Set);
        var settings = RolloutSettings.From(tree);
        if (settings.Model.Path.Length == 0)
            throw tree.Rollout.Section("model").Invalid("path", "the folder of a model's config.json and tokenizer");
        settings.Model.RequireNoAdapter(tree.Rollout.Section("model"));
        if (settings.Lora.IsOn)
            throw tree.Rollout.Section("lora").Invalid("r", "0, as a new model's own weights are trained");
        var output = options.Out ?? throw new CommandLineException("pretrain takes --out DIR, the folder of the new model.");
        if (Path.Exists(output))
            throw new OutputException($"'{output}' already exists: the new model needs a new folder.");
        OutputPath.RequireRoomFor(output);
        PolicyModel.PrepareDevice(tree, settings);

        var dataset = Datasets.Create(settings, settings.Pretrain.BatchSize, context.Stop.Token);
        if (dataset.HeldOut.Count == 0)
            throw tree.Rollout.Section("data").Invalid("type", "a dataset with held-out problems, which decide when to stop");
        var shape = ModelConfigReader.ReadFolder(settings.Model.Path);
        var answers = new AnswerTokens(HuggingFaceTokenizer.Load(settings.Model.Path, shape.VocabSize), shape);
        // A file's lines may hold anything: each is encoded before the first step.
        foreach (var item in dataset.FromFiles)
        {
            context.Stop.Token.ThrowIfCancellationRequested();
            answers.Of(item);
        }
        using var model = PolicyModel.Random(shape, settings);
        Learn(model, dataset, answers, settings, context);
        HuggingFaceModel.Save(model, output, settings.Model.Path);
        context.Output.WriteLine($"model: {output}");
        return Task.FromResult(context.Stop.Token.IsCancellationRequested ? context.Stop.ExitCode : ExitCodes.Ok);
    }

    private static void Learn(
        CausalLm model, PromptMix dataset, AnswerTokens answers, RolloutSettings settings, CommandContext context)
    {
        var pretrain = settings.Pretrain;
        var learning = new SupervisedOptions
        {
            Rate = new LearningRate(
                pretrain.LearningRate, pretrain.WarmupSteps, LearningRateSchedule.Constant, pretrain.Steps, Lowest: 0),
            MaxSkippedUpdates = settings.Train.MaxSkippedUpdates,
            MicroBatchTokens = settings.Train.MicroBatchTokens,
            Recompute = settings.Train.Recompute,
            Offload = settings.Train.Offload,
        };
        using var memory = PolicyModel.Memory(settings);
        using var trainer = new SupervisedTrainer(model, learning, memory);
        var heldOut = dataset.HeldOut.Select(answers.Of).ToArray();
        context.Stop.TakeOver(() => context.Error.WriteLine(StopSignal.AfterThisStep));
        for (var step = 1; step <= pretrain.Steps && !context.Stop.Token.IsCancellationRequested; step++)
        {
            var first = (long)(step - 1) * pretrain.BatchSize;
            PromptItem[] items = [.. Enumerable.Range(0, pretrain.BatchSize).Select(i => dataset.Train(first + i))];
            var made = trainer.Step([.. items.Select(answers.Of)], [.. items.Select(item => item.Id)]);
            if (made.Skipped is { } reason)
                context.Error.WriteLine($"WARNING step {step} changed no weight: {reason}");
            if (step % pretrain.EvalEvery != 0)
                continue;
            var fit = trainer.Measure(heldOut);
            context.Output.WriteLine(
                $"step {step}  loss {made.Fit.Loss:0.000}  held-out accuracy {fit.ExactMatch:P1}, of tokens {fit.TokenAccuracy:P1}");
            if (fit.ExactMatch >= pretrain.StopAt)
                return;
        }
    }
}
