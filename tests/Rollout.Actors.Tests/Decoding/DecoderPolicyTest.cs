using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder with its real allocator and planner, between a probe for the barrier and one for the scheduler.</summary>
public abstract class DecoderPolicyTest : ActorTest
{
    protected static readonly HostId Trainer = new("trainer:1", 1);
    protected static readonly Policy Zero = new(Run: 77, new PolicyVersion(0));
    protected static readonly Policy One = new(Run: 77, new PolicyVersion(1));
    protected static readonly Policy Two = new(Run: 77, new PolicyVersion(2));

    private static readonly SchedulerEpoch Epoch = new(1);

    private readonly Dictionary<(GroupId Group, int Sample), List<SampleProgress>> _reported = [];
    private long _commands;

    protected DecoderPolicyTest(Func<FakeWeightIntake, PolicySource> weights)
        : base($"{VirtualTime}\nakka.loglevel = WARNING")
    {
        Scheduler = CreateTestProbe();
        Barrier = CreateTestProbe();
        Decoder0 = Sys.ActorOf(DecoderActor.Props(
            new DecoderSetup(
                Decoder(0), NewRunner, MaxModelLength: 80, StaticBatch: false, PrefixCaching: true, weights(Intake))
            {
                Audited = true,
            },
            TestSettings.Decoder, 1, Scheduler, Barrier));
    }

    protected FakeWeightIntake Intake { get; } = new();

    protected TestProbe Scheduler { get; }

    protected TestProbe Barrier { get; }

    protected IActorRef Decoder0 { get; }

    /// <summary>The last one that was read.</summary>
    protected DecoderReport? LastReport { get; private set; }

    /// <summary>There when the decoder has started.</summary>
    protected FakeModelRunner Runner { get; private set; } = null!;

    protected static WeightOffer Offer(Policy policy) => new(policy, "trainer", 9, [1, 2], 100, 5);

    /// <summary>The host's proxy says who trains.</summary>
    protected void Follow(HostId? trainer) => Decoder0.Tell(new TrainerIs(trainer), Barrier);

    protected void Update(Policy policy, bool offered = true, HostId? trainer = null) => Decoder0.Tell(
        new UpdateWeights(trainer ?? Trainer, policy, offered ? Offer(policy) : null), Barrier);

    /// <summary>The fetch number this, when it has begun.</summary>
    protected async Task<FakeWeightIntake.Fetch> FetchAsync(int number)
    {
        await AwaitAssertAsync(() => Assert.True(Intake.Fetches.Count > number));
        return Intake.Fetches[number];
    }

    protected async Task<Policy> ServesAsync() => (await Scheduler.FishForMessageAsync(
        message => message is DecoderHere, TimeSpan.FromSeconds(30)) as DecoderHere)!.Policy;

    /// <summary>The scheduler answers its announcement and assigns all samples of a group.</summary>
    protected void Assign(GroupRequest group, Policy? required = null)
    {
        Decoder0.Tell(new SchedulerHere(Epoch, TimeSpan.FromMilliseconds(100)), Scheduler);
        Decoder0.Tell(
            new AssignSamples(
                Epoch, ++_commands, new AssignmentId((int)_commands), group, [.. group.Samples.Select((_, i) => SampleStart.New(i))], required),
            Scheduler);
    }

    /// <summary>The scheduler says that a group is over.</summary>
    protected void Forget(GroupId group) =>
        Decoder0.Tell(new ForgetGroups(Epoch, ++_commands, [group]), Scheduler);

    /// <summary>All samples of a group, when the last has been reported.</summary>
    protected async Task<Completion[]> DecodedAsync(GroupRequest group) =>
    [
        .. (await EndedAsync(group)).Select(sample => new Completion(
            sample.Sample, sample.Sampled, Assert.NotNull(sample.Finished))),
    ];

    /// <summary>All samples of a group with all of their tokens, when the last has finished or been handed back.</summary>
    protected async Task<SampleProgress[]> EndedAsync(GroupRequest group)
    {
        while (true)
        {
            var samples = Enumerable.Range(0, group.Samples.Length)
                .Select(i => _reported.GetValueOrDefault((group.Id, i), [])).ToArray();
            if (samples.All(parts => parts.Count > 0 && parts[^1].IsLast))
                return [.. samples.Select(Joined)];
            var report = (DecoderReport)await Scheduler.FishForMessageAsync(
                message => message is DecoderReport, TimeSpan.FromSeconds(30));
            foreach (var progress in report.Samples)
            {
                if (!_reported.TryGetValue((progress.Group, progress.Sample), out var parts))
                    _reported.Add((progress.Group, progress.Sample), parts = []);
                parts.Add(progress);
            }
            Decoder0.Tell(new ReportTaken(Epoch, report.Number), Scheduler);
            LastReport = report;
        }
    }

    /// <summary>Every block is free or cached, none referenced, and the ledger balances.</summary>
    protected async Task AssertIdleAsync()
    {
        var blocks = Sys.ActorSelection(Decoder0.Path / "blocks");
        await AwaitAssertAsync(async () =>
        {
            var report = await blocks.Ask<LedgerReport>(new QueryLedger(), TimeSpan.FromSeconds(30));
            Assert.Null(report.Imbalance);
            Assert.Equal((0, 0), (report.Sequences, report.Usage.InUse));
        });
    }

    private static SampleProgress Joined(List<SampleProgress> parts)
    {
        var sampled = new SampledTokensBuilder();
        parts.ForEach(part => sampled.Append(part.Sampled));
        return parts[^1] with { Start = parts[0].Start, Sampled = sampled.ToSampledTokens() };
    }

    private FakeModelRunner NewRunner() =>
        Runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 60, BlockSize: 4));
}
