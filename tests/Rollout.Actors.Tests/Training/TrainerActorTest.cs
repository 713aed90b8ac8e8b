using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

/// <summary>
/// A trainer whose scheduler, rewards, barrier and observer are all the test's own actor: what it tells them, and
/// that it trains, is one sequence.
/// </summary>
public abstract class TrainerActorTest() : ActorTest(VirtualTime)
{
    /// <summary>The number of the run.</summary>
    protected const long Run = 77;

    protected static readonly SchedulerEpoch Epoch = new(1);

    private FakePolicyTrainer? _policy;

    /// <summary>The observer writes each report at once.</summary>
    protected bool RecordsReports { get; set; } = true;

    protected FakePolicyTrainer Policy => Assert.IsType<FakePolicyTrainer>(_policy);

    protected static TrainingJob Job(int steps, int prompts = 2, int checkpointEvery = 0) => new()
    {
        Train = TestSettings.Train with { Steps = steps, PromptsPerStep = prompts, NumGenerations = 2 },
        Eval = TestSettings.Eval,
        Sampling = new SamplingParams { MaxTokens = 6, Seed = 9 },
        Tokenizer = new FakeTokenizer(),
        Dataset = new Prompts(),
        CheckpointEvery = checkpointEvery,
        CheckpointFolder = step => $"step-{step}",
    };

    protected IActorRef Start(
        TrainingJob job, TrainingProgress? from = null, Func<IPolicyTrainer>? createTrainer = null)
    {
        var trainer = Sys.ActorOf(
            TrainerActor.Props(new TrainerSetup(job, createTrainer ?? NewPolicy, Run), TestActor, TestActor, TestActor));
        SetAutoPilot(new DelegateAutoPilot((sender, message) =>
        {
            if (message is TrainingStepFinished report && RecordsReports)
                sender.Tell(new StepRecorded(report.Step), TestActor);
            return AutoPilot.KeepRunning;
        }));
        Tell(trainer, new StartTraining(from ?? new TrainingProgress(0, 0, 9), TestActor));
        return trainer;
    }

    /// <summary>The run has started, without an evaluation, and submitted its first groups, which are left unread when 0.</summary>
    protected async Task<GroupRequest[]> StartedAsync(int groups = 0)
    {
        await ExpectMsgAsync<TrainingStarted>();
        return await SubmittedAsync(groups);
    }

    /// <summary>Time passes for the trainer, tick by tick.</summary>
    protected async Task PassAsync(IActorRef trainer, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromSeconds(1))
        {
            await SettledAsync(trainer);
            Advance(TimeSpan.FromSeconds(1));
        }
        await SettledAsync(trainer);
    }

    protected async Task<GroupRequest[]> SubmittedAsync(int groups)
    {
        IgnoreMessages(message => message is OutcomesTaken or OfferGroups);
        var submitted = new GroupRequest[groups];
        for (var i = 0; i < groups; i++)
            submitted[i] = (await ExpectMsgAsync<SubmitGroup>()).Group;
        return submitted;
    }

    /// <summary>A whole step of two groups, from the submission of group <paramref name="first"/> on.</summary>
    /// <param name="trainer">Told what the others would tell it.</param>
    /// <param name="first">The first group's id.</param>
    /// <param name="version">The policy after the step.</param>
    /// <param name="reports">The report is expected too.</param>
    /// <param name="beforeTheScores">Happens while groups are on their way.</param>
    protected async Task StepAsync(
        IActorRef trainer, long first, int version, bool reports = true, Func<Task>? beforeTheScores = null)
    {
        var groups = await SubmittedAsync(2);
        Assert.Equal([first, first + 1], groups.Select(group => group.Id.Value));
        await SettledAsync(trainer);
        await (beforeTheScores?.Invoke() ?? Task.CompletedTask);
        foreach (var group in groups)
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, version);
        Tell(trainer, Opened(version));
        if (reports)
            await ExpectMsgAsync<TrainingStepFinished>();
    }

    /// <summary>
    /// The group comes back, is sent to be scored, and gets this reward, each further sample so much more.
    /// </summary>
    protected async Task DecodeAndScoreAsync(
        IActorRef trainer, GroupRequest group, double reward = 1, bool twice = false, double more = 1)
    {
        Tell(trainer, Decoded(group));
        if (twice)
            Tell(trainer, Decoded(group));
        var asked = await ExpectMsgAsync<ScoreGroup>();
        Assert.Equal((Plain(group.Id), 6), (asked.Group.Id, asked.MaxTokens));
        Assert.Equal(group.Prompt[0].ToString(), asked.Item.Prompt.Split(' ')[0]);
        var scored = new GroupScored(
            Plain(group.Id),
            [.. group.Samples.Select((_, i) => reward + (i * more))],
            [.. group.Samples.Select(_ => "text")]);
        Tell(trainer, scored);
        if (twice)
            Tell(trainer, scored with { Rewards = [.. scored.Rewards.Select(_ => -1.0)] });
    }

    protected async Task ParkAndTrainAsync(IActorRef trainer, int version)
    {
        Assert.Equal(Of(version), (await ExpectMsgAsync<ParkAll>()).Next);
        Tell(trainer, new AllParked(Of(version)));
        await ExpectMsgAsync<Trains>();
        Assert.Equal(new UpdateAll(Of(version), null), await ExpectMsgAsync<UpdateAll>());
    }

    protected static Policy Of(int version) => new(Run, new PolicyVersion(version));

    protected static StepOpened Opened(int version, int decodeSteps = 0) =>
        new(Of(version), new DecoderStats { Steps = decodeSteps });

    /// <summary>The run saves what it has learnt, and ends.</summary>
    protected async Task<TrainingEnded> EndAsync()
    {
        await ExpectMsgAsync<CheckpointSaved>();
        return await ExpectMsgAsync<TrainingEnded>();
    }

    protected static int[] TokensOf(GroupRequest group, int sample) => [(int)(group.Id.Value & 1023), sample];

    /// <summary>The group as the trainer's job numbers it.</summary>
    protected static GroupId Plain(GroupId id) => id with { Client = 0 };

    protected static CompletionsReady Decoded(GroupRequest group) => new(
        Epoch,
        group.Id,
        group.Samples.Length,
        [.. group.Samples.Select((_, i) => new Completion(
            i, new SampledTokens(TokensOf(group, i), [-1, -2], [new VersionSpan(default, 0)]), FinishReason.Stop))]);

    private FakePolicyTrainer NewPolicy()
    {
        var test = TestActor;
        return _policy = new FakePolicyTrainer { BeforeTrain = _ => test.Tell(new Trains()) };
    }

    /// <summary>The policy trainer is at work.</summary>
    protected sealed record Trains;
}
