using System.Text;
using Akka.Event;
using Rollout.Actors.Client;
using Rollout.Actors.Data;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;
using Rollout.Host.Cluster;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tracking;
using Rollout.Host.View;

namespace Rollout.Host.Jobs;

/// <summary>
/// The command <c>rollout train</c>: reads and checks everything, makes the output folder, starts the actors, and
/// shows and writes what they report.
/// </summary>
public static class TrainJob
{
    public static async Task<int> RunAsync(TrainOptions options, CommandContext context)
    {
        if (options.DryRun)
            return await DryRunAsync(options, context);
        using var place = RunPlace.Choose(options.Resume, options.Out, options.Config);
        if (place.Notice is { } notice)
            await context.Output.WriteLineAsync(notice);
        return await RunAsync(options, place, context, lines: null);
    }

    private static Task<int> DryRunAsync(TrainOptions options, CommandContext context)
    {
        var config = options.Config
            ?? (options.Resume is null ? DefaultJob.Find() : RunFolder.For(options.Resume).Config);
        var settings = RolloutSettings.ForTraining(
            ConfigTree.Load(config, options.Set, ClusterMembers.Override(options.Cluster)));
        return DryRun.RunAsync(
            ModelConfigReader.ReadFolder(settings.Model.Path), settings, settings.Sampling.MaxTokens, context);
    }

    /// <param name="options">What to train.</param>
    /// <param name="place">The run's folder and the checkpoint it continues; held until this has returned.</param>
    /// <param name="context">Console and stop signal.</param>
    /// <param name="lines">Where a host says what happens in its cluster; null for <c>rollout train</c>.</param>
    internal static async Task<int> RunAsync(
        TrainOptions options, RunPlace place, CommandContext context, HostLines? lines)
    {
        var resumed = place.Resumed;
        var config = options.Config ?? place.Config ?? DefaultJob.Find();
        var tree = ConfigTree.Load(config, options.Set, ClusterMembers.Override(options.Cluster));
        var settings = ClusterMembers.WithRoles(RolloutSettings.ForTraining(tree), ClusterRoles.Trainer);
        var decodes = settings.Cluster.Roles.Contains(ClusterRoles.Decoder);
        if (decodes && settings.Cluster.Devices.Count > 0)
        {
            throw tree.Rollout.Section("cluster").Invalid(
                "devices", "[] in a process that trains, as its decoder uses rollout.device; run rollout host for other GPUs");
        }
        var needsReference = settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed).Loss.NeedsReference;
        var initial = RunModel.Find(tree, settings, resumed, needsReference);
        settings = initial.Settings;
        var fingerprint = RunFingerprint.Of(
            tree, initial.Fingerprint, PolicyModel.IsCuda(settings) ? null : PolicyModel.Threads(settings));
        var changed = resumed?.RequireSameRun(fingerprint);
        if (resumed is not null && resumed.Progress.Step >= settings.Train.Steps)
            return SayDone(resumed, settings, context, lines);
        PolicyModel.PrepareDevice(tree, settings);

        var tokenizer = HuggingFaceTokenizer.Load(
            settings.Model.Path, ModelConfigReader.ReadFolder(settings.Model.Path).VocabSize);
        using var memory = PolicyModel.Memory(settings);
        using var weights = new PolicyWeights(
            resumed is null ? PolicyModel.LoadInitial(settings) : resumed.LoadModel(settings),
            new PolicyVersion(resumed?.Progress.Step ?? 0));
        using var rewards = RewardSet.Create(settings.Rewards, settings.Sampling.MaxTokens);
        var dataset = Datasets.Create(settings, settings.Train.PromptsPerStep, context.Stop.Token);
        var job = new TrainingJob
        {
            Train = settings.Train,
            Eval = settings.Eval,
            Sampling = settings.Sampling.ToSamplingParams([.. weights.Model.Config.EosTokenIds], settings.Seed),
            Tokenizer = tokenizer,
            Dataset = dataset,
            FurtherSets = Datasets.ToEvaluate(settings, context.Stop.Token),
            CheckpointEvery = settings.Output.CheckpointEvery,
            KeepBest = settings.Output.KeepBest,
            CheckpointFolder = place.Checkpoint,
        };
        if (job is { KeepBest: true, EvalSets.Count: 0 })
            throw tree.Rollout.Section("output").Invalid("keep-best", "off, as neither data nor eval.sets holds prompts out");
        var maxModelLength = PolicyModel.MaxModelLength(settings, weights.Model.Config);
        var pool = decodes ? new KvPool(tree, settings, weights.Model.Config) : null;
        RequireFittingGroups(job, dataset, pool, maxModelLength, tree, context.Stop.Token);

        await using var topology = await ClusterMembers.StartAsync(
            tree, settings, ClusterMembers.Fingerprint(settings, decodes), context, lines);
        if (!decodes)
            await ClusterMembers.RequireSameModelAsync(topology, settings, context);
        await using var server = WeightLinks.CreateServer(
            settings, topology.Certificates, line => topology.System.Log.Warning("{0}", line));
        var run = place.Open();
        DurableFiles.Write(run.Config, file => file.Write(Encoding.UTF8.GetBytes(tree.Render())));
        var order = new BuildOrder();
        if (pool is not null)
        {
            topology.AddDecoder(
                settings.Device,
                () => order.BuildSecond(
                    () => PolicyModel.CreateRunner(settings, weights, pool, besideTrainer: true)),
                maxModelLength,
                new PolicySource.Shared());
        }
        var trainer = topology.AddTrainer(
            job,
            weights.Version,
            () => order.BuildFirst(() => CreateTrainer(settings, weights, initial.Companions, resumed, memory)),
            tokenizer,
            rewards,
            server is null ? null : new WeightPublisher(server, weights));
        var start = (resumed?.Progress ?? new TrainingProgress(0, 0, settings.Seed)) with { Fingerprint = fingerprint };
        var adapter = settings.TrainsAdapter ? AdapterLine.Of(weights.Model) : null;
        var notices = new[] { $"job {EndLine.Shown(config)}, output {EndLine.Shown(run.Path)}", adapter, initial.Notice, changed }
            .OfType<string>().Append($"{DiskNeed.Of(run, job, settings, start, weights.Model)}");
        var (end, error) = await FollowAsync(trainer, run, settings, start, notices, context);
        if ((topology.WhyEnded() ?? error) is { } why)
        {
            await context.Error.WriteLineAsync(why);
            return ExitCodes.Failure;
        }
        // A host that is told to leave has done its work.
        var wasStopped = context.Stop.Token.IsCancellationRequested && end?.Step < settings.Train.Steps;
        return wasStopped && lines is null ? context.Stop.ExitCode : ExitCodes.Ok;
    }

    private static int SayDone(ResumePoint resumed, RolloutSettings settings, CommandContext context, HostLines? lines)
    {
        Action<string> say = lines is null ? context.Output.WriteLine : lines.Say;
        say(EndLine.Done(resumed.Progress.Step, settings.Train.Steps, resumed.Checkpoint, "train.steps"));
        if (MetricsFile.Read(resumed.Folder) is not [.., var last] || RunRecord.WhyDivergedAt(last) is not { } why)
            return ExitCodes.Ok;
        context.Error.WriteLine(why);
        return ExitCodes.Failure;
    }

    /// <summary>Shows and writes what the trainer reports until it ends.</summary>
    /// <returns>The last finished step, and why the run failed; null where it did not.</returns>
    private static async Task<(TrainingProgress? End, string? Error)> FollowAsync(
        TrainingClient trainer,
        RunFolder run,
        RolloutSettings settings,
        TrainingProgress start,
        IEnumerable<string> notices,
        CommandContext context)
    {
        TrainingEnded? ended = null;
        CheckpointSaved? last = null;
        Evaluation? measured = null;
        var isEvaluating = true;
        using var record = new RunRecord(run, start.Step == 0 ? null : start.Step, settings.Output);
        using (var view = new TrainingView(context, settings.Train.Steps, record.Earlier))
        {
            context.Stop.TakeOver(() => view.Say(isEvaluating ? StopSignal.AfterEvaluation : StopSignal.AfterThisStep));
            foreach (var notice in notices.Concat(record.Gaps))
                view.Say(notice);
            await foreach (var seen in trainer.TrainAsync(start, context.Stop.Token))
            {
                switch (seen)
                {
                    case TrainingStarted started:
                        isEvaluating = false;
                        measured = started.Evaluation;
                        if (measured is null)
                            break;
                        if (start.Step == 0)
                            record.AddStart(measured, view.Say);
                        view.ReportStart(new HeldOutAccuracy(start.Step, measured.Accuracy));
                        break;
                    case TrainingStepFinished report:
                        measured = report.Evaluation;
                        view.Report(record.Add(report, view.Say));
                        break;
                    case CheckpointSaved saved:
                        last = saved;
                        view.Say(CheckpointLine.Of(saved));
                        OlderCheckpoints.Remove(run, settings.Output.KeepLast, saved.Best?.Step, view.Say);
                        break;
                    case TrainingEnded end:
                        ended = end;
                        if (CheckpointLine.AtEnd(run, end.Progress, last) is { } rest)
                            view.Say(rest);
                        if (CheckpointLine.OfBest(run, end.Progress) is { } best)
                            view.Say(best);
                        var reached = settings.Eval.Target > 0 && measured?.Accuracy >= settings.Eval.Target
                            ? $"held-out accuracy {measured.Accuracy:0.000}, eval.target = {settings.Eval.Target}"
                            : null;
                        if (EndLine.Of(end.Progress, settings.Train.Steps, reached, run, "train") is { } why)
                            view.Say(why);
                        break;
                }
            }
            record.Complete(view.Say);
        }
        return (ended?.Progress, ended?.Error ?? record.WhyDiverged);
    }

    private static PolicyTrainer CreateTrainer(
        RolloutSettings settings, PolicyWeights weights, string companions, ResumePoint? resumed, IDeviceMemory? memory)
    {
        var grpo = settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed);
        if (resumed is null)
            return new PolicyTrainer(weights, grpo, companions, memory: memory);
        CausalLm? reference = grpo.Loss.NeedsReference && !settings.TrainsAdapter ? PolicyModel.LoadInitial(settings) : null;
        return PolicyTrainer.Resume(resumed.Checkpoint, weights, grpo, companions, reference, memory: memory);
    }

    /// <summary>
    /// Encodes every line of a data file once, and measures the prompts of the first step and of the evaluation: a
    /// longer group fails later by itself. Without a pool in this process, the cluster's decoders judge the length.
    /// </summary>
    private static void RequireFittingGroups(
        TrainingJob job, PromptMix dataset, KvPool? pool, int maxModelLength, ConfigTree tree, CancellationToken cancellation)
    {
        foreach (var item in dataset.FromFiles)
        {
            cancellation.ThrowIfCancellationRequested();
            job.Encode(item);
        }
        var groups = Enumerable.Range(0, job.Train.PromptsPerStep).Select(i => job.TrainingGroup(i).Request)
            .Concat(new EvaluationRound(job).Groups(0).Select(group => group.Request));
        foreach (var group in groups)
        {
            cancellation.ThrowIfCancellationRequested();
            if (group.Prompt.Length + job.Sampling.MaxTokens > maxModelLength)
            {
                throw tree.Rollout.Section("sampling").Invalid(
                    "max-tokens",
                    $"at most {maxModelLength - group.Prompt.Length}, as a prompt has {group.Prompt.Length} tokens and the"
                    + $" longest sequence {maxModelLength}");
            }
            pool?.RequireRoomFor(group);
        }
    }
}
