using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Support;

/// <summary>
/// A scheduler of one decoder: gives it what a test says, takes its reports and puts the samples of each group together.
/// </summary>
public sealed class SchedulerDouble(TestProbe probe, long epoch = 1)
{
    private readonly Dictionary<GroupId, int> _samples = [];
    private readonly Dictionary<SequenceId, SampleProgress> _progress = [];
    private readonly Queue<DecodedGroup> _decoded = [];
    private readonly Queue<GroupRejection> _rejected = [];
    private readonly Dictionary<IActorRef, long> _commands = [];

    public IActorRef Ref => probe.Ref;

    public SchedulerEpoch Epoch { get; } = new(epoch);

    /// <summary>Reports that it has taken.</summary>
    public List<DecoderReport> Reports { get; } = [];

    /// <summary>The decoder says that it is there, and is answered.</summary>
    public async Task<DecoderHere> WelcomeAsync()
    {
        while (true)
        {
            if (await NextAsync() is DecoderHere here)
                return here;
        }
    }

    public void Assign(IActorRef decoder, GroupRequest group, int assignment = 1) =>
        Assign(decoder, group, assignment, [.. group.Samples.Select((_, sample) => SampleStart.New(sample))]);

    public void Assign(IActorRef decoder, GroupRequest group, int assignment, params SampleStart[] samples)
    {
        _samples[group.Id] = group.Samples.Length;
        foreach (var start in samples)
        {
            _progress[new SequenceId(group.Id, start.Sample)] = new SampleProgress(
                group.Id, start.Sample, new AssignmentId(assignment), 0, start.Sampled);
        }
        decoder.Tell(new AssignSamples(Epoch, NextNumber(decoder), new AssignmentId(assignment), group, samples), Ref);
    }

    public void Recall(IActorRef decoder, GroupId group, bool runningToo, params int[] samples) =>
        decoder.Tell(new RecallSamples(Epoch, NextNumber(decoder), group, samples, runningToo), Ref);

    public void Forget(IActorRef decoder, params GroupId[] groups) =>
        decoder.Tell(new ForgetGroups(Epoch, NextNumber(decoder), groups), Ref);

    /// <summary>The next group of which all samples have come.</summary>
    public async Task<DecodedGroup> DecodedAsync()
    {
        while (_decoded.Count == 0)
            await NextAsync();
        return _decoded.Dequeue();
    }

    /// <summary>The next group that the decoder can't finish.</summary>
    public async Task<GroupRejection> RejectedAsync()
    {
        while (_rejected.Count == 0)
            await NextAsync();
        return _rejected.Dequeue();
    }

    /// <summary>What has been reported of a sample.</summary>
    public SampleProgress? Of(GroupId group, int sample) => _progress.GetValueOrDefault(new SequenceId(group, sample));

    /// <summary>The next message that isn't about restarts and failures, answered as a scheduler does.</summary>
    public async Task<object> NextAsync()
    {
        var message = await probe.ExpectMsgAsync<ISchedulerMessage>();
        var decoder = probe.LastSender;
        switch (message)
        {
            case DecoderHere here:
                here.Decoder.Tell(new SchedulerHere(Epoch, TimeSpan.FromMilliseconds(100)), Ref);
                break;
            case DecoderReport report:
                Reports.Add(report);
                decoder.Tell(new ReportTaken(report.Epoch, report.Number), Ref);
                foreach (var progress in report.Samples)
                    Take(progress);
                foreach (var rejection in report.Rejected)
                    _rejected.Enqueue(rejection);
                break;
        }
        return message;
    }

    private long NextNumber(IActorRef decoder) => _commands[decoder] = _commands.GetValueOrDefault(decoder) + 1;

    private void Take(SampleProgress progress)
    {
        var id = new SequenceId(progress.Group, progress.Sample);
        var known = _progress.TryGetValue(id, out var before) && before.Assignment == progress.Assignment ? before : null;
        var sampled = new SampledTokensBuilder();
        if (known is not null)
            sampled.Append(known.Sampled.Slice(0, progress.Start));
        sampled.Append(progress.Sampled);
        _progress[id] = progress with { Sampled = sampled.ToSampledTokens() };
        var samples = Enumerable.Range(0, _samples.GetValueOrDefault(progress.Group))
            .Select(sample => Of(progress.Group, sample)).ToArray();
        if (Array.TrueForAll(samples, sample => sample?.Finished is not null))
        {
            _decoded.Enqueue(new DecodedGroup(
                progress.Group,
                progress.Assignment,
                [.. samples.Select(sample => new Completion(sample!.Sample, sample.Sampled, sample.Finished!.Value))]));
        }
    }
}

/// <summary>A group of which all samples have come.</summary>
public sealed record DecodedGroup(GroupId Id, AssignmentId Assignment, Completion[] Completions);
