using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Support;

/// <summary>A decoder that does what a test says, and keeps the protocol: it follows a scheduler and numbers its reports.</summary>
public sealed class DecoderDouble(
    TestProbe probe, DecoderId id, int incarnation = 1, int maxNumSeqs = 4, int blocks = 100_000, int blockSize = 4,
    int maxModelLength = 1_000_000)
{
    private readonly Queue<SchedulerCommand> _commands = [];
    private long _reports;

    public IActorRef Ref => probe.Ref;

    public DecoderId Id { get; } = id;

    public Policy Policy { get; set; }

    public string Fingerprint { get; set; } = "tiny";

    public int VocabularySize { get; set; } = 1000;

    /// <summary>Samples that it says it holds from before.</summary>
    public int HeldSamples { get; set; }

    public bool IsLeaving { get; set; }

    /// <summary>The scheduler that it follows.</summary>
    public SchedulerEpoch Epoch { get; private set; }

    public long CommandsTaken { get; private set; }

    public DecoderHere Here => new(
        Id, incarnation, Ref, new DecoderCapacity(maxNumSeqs, blocks, blockSize, maxModelLength, VocabularySize), Policy,
        Fingerprint, Epoch, CommandsTaken, HeldSamples, IsLeaving);

    /// <summary>Announces itself until it is known and has nothing that the scheduler doesn't know of.</summary>
    public async Task JoinAsync(IActorRef scheduler)
    {
        scheduler.Tell(Here, Ref);
        Epoch = (await probe.FishForMessageAsync<SchedulerHere>(_ => true)).Epoch;
        (CommandsTaken, _reports) = (0, 0);
        if (HeldSamples > 0)
            return;
        scheduler.Tell(Here, Ref);
        await probe.ExpectMsgAsync<SchedulerHere>();
    }

    /// <summary>The next samples that it is given.</summary>
    public async Task<AssignSamples> AssignedAsync() => Assert.IsType<AssignSamples>(await CommandAsync());

    /// <summary>The next command, carried out as far as the scheduler can see.</summary>
    public async Task<SchedulerCommand> CommandAsync()
    {
        while (true)
        {
            if (_commands.Count == 0 && await probe.ExpectMsgAsync<IDecoderMessage>() is SchedulerCommand sent)
                _commands.Enqueue(sent);
            if (!_commands.TryDequeue(out var command) || command.Number <= CommandsTaken)
                continue;
            CommandsTaken = command.Number;
            return command;
        }
    }

    /// <summary>Says what has become of samples, and that it has carried out what it was told.</summary>
    public DecoderReport Report(
        IActorRef scheduler,
        SampleProgress[] samples,
        GroupRejection[]? rejected = null,
        DeviceLoad? load = null,
        bool more = false)
    {
        var report = new DecoderReport(
            Id, incarnation, Epoch, ++_reports, CommandsTaken, Policy, samples, rejected ?? [],
            load ?? new DeviceLoad(0, 0, blocks), more);
        scheduler.Tell(report, Ref);
        return report;
    }

    /// <summary>All samples of an assignment have finished with these tokens after those that they had.</summary>
    public void Finish(IActorRef scheduler, AssignSamples assigned, params int[] tokens) => Report(
        scheduler,
        [.. assigned.Samples.Select(start => Progress(assigned, start, FinishReason.Length, tokens))]);

    public static SampleProgress Progress(
        AssignSamples assigned, SampleStart start, FinishReason? finished, params int[] tokens) => new(
            assigned.Group.Id,
            start.Sample,
            assigned.Assignment,
            start.Sampled.Count,
            new SampledTokens(tokens, [.. tokens.Select(token => -(float)token)], [new VersionSpan(default, 0)]),
            finished);

    /// <summary>The next message, whatever it is.</summary>
    public async Task<T> ExpectAsync<T>() => await probe.FishForMessageAsync<T>(_ => true);
}
