using System.Text;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;
using Rollout.Host.View;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs <c>rollout sft</c>: trains a model on the prompts and answers of a dataset, where only answers and their ends count.
/// A resumed run equals one that was not interrupted.
/// </summary>
public static class SftJob
{
    public static Task<int> RunAsync(SftOptions options, CommandContext context)
    {
        if (options is { Config: null, Resume: null })
            throw new CommandLineException("sft takes --config FILE, or --resume DIR to continue a run.");
        using var place = RunPlace.Choose(options.Resume, options.Out, options.Config);
        var resumed = place.Resumed;
        var tree = ConfigTree.Load(
            options.Config ?? place.Config
                ?? throw new CommandLineException($"'{options.Resume}' has no config.conf: name the job with --config FILE."),
            options.Set);
        var settings = RolloutSettings.From(tree);
        var initial = RunModel.Find(tree, settings, resumed, needsReference: false);
        settings = initial.Settings;
        settings.RequireLearnable(tree.Rollout);
        var fingerprint = RunFingerprint.OfSft(
            tree, initial.Fingerprint, PolicyModel.IsCuda(settings) ? null : PolicyModel.Threads(settings));
        foreach (var notice in new[] { place.Notice, initial.Notice, resumed?.RequireSameRun(fingerprint) }.OfType<string>())
            context.Error.WriteLine(notice);
        PolicyModel.PrepareDevice(tree, settings);

        var examples = Examples(tree, settings, context);
        var steps = settings.Sft.StepsOver(examples.Count);
        if (resumed?.Progress.Step >= steps)
        {
            context.Output.WriteLine(EndLine.Done(resumed.Progress.Step, steps, resumed.Checkpoint, "sft.steps"));
            return Task.FromResult(ExitCodes.Ok);
        }
        using var model = resumed is null ? PolicyModel.LoadInitial(settings) : resumed.LoadModel(settings);
        using var memory = PolicyModel.Memory(settings);
        var learning = new SupervisedOptions
        {
            Rate = settings.Sft.Rate(steps),
            MaxGradNorm = settings.Sft.MaxGradNorm,
            MaxSkippedUpdates = settings.Train.MaxSkippedUpdates,
            MicroBatchTokens = settings.Train.MicroBatchTokens,
            Recompute = settings.Train.Recompute,
            Offload = settings.Train.Offload,
        };
        using var trainer = new SupervisedTrainer(model, learning, memory);
        if (resumed is not null)
            trainer.Load(resumed.Checkpoint);
        var run = place.Open();
        DurableFiles.Write(run.Config, file => file.Write(Encoding.UTF8.GetBytes(tree.Render())));
        context.Stop.TakeOver(() => context.Error.WriteLine(StopSignal.AfterThisStep));
        var start = (resumed?.Progress ?? new TrainingProgress(0, 0, settings.Seed)) with { Fingerprint = fingerprint };
        var end = new SftRun(trainer, examples, settings, initial.Companions, run, context.Output.WriteLine)
            .Train(start, context.Stop.Token);
        context.Output.WriteLine(
            end.Step == 0
                ? "nothing was saved: no step was finished"
                : $"{(settings.TrainsAdapter ? "adapter" : "model")}: {EndLine.Shown(run.Checkpoint(end.Step))}");
        if (EndLine.Of(end, steps, reached: null, run, "sft") is { } why)
            context.Output.WriteLine(why);
        return Task.FromResult(end.Step < steps ? context.Stop.ExitCode : ExitCodes.Ok);
    }

    private static SftExamples Examples(ConfigTree tree, RolloutSettings settings, CommandContext context)
    {
        var shape = ModelConfigReader.ReadFolder(settings.Model.Path);
        var limit = shape.MaxPositionEmbeddings;
        if (settings.Sft.MaxLength > limit)
            throw tree.Rollout.Section("sft").Invalid("max-length", $"at most {limit}, the model's own limit");
        var answers = new AnswerTokens(HuggingFaceTokenizer.Load(settings.Model.Path, shape.VocabSize), shape);
        var dataset = Datasets.Create(settings, settings.Sft.BatchSize, context.Stop.Token);
        var examples = new SftExamples(
            dataset, answers, settings.Sft.MaxLength > 0 ? settings.Sft.MaxLength : limit, settings.Sft.TooLong,
            context.Stop.Token);
        if (examples.Dropped > 0)
            context.Error.WriteLine($"WARNING {examples.Dropped} examples are too long and were left out");
        return examples;
    }
}
