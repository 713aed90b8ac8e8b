using Rollout.Actors.Decoding;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A journal that follows a scheduler, and the samples of one group that are worked on.</summary>
public abstract class DecoderJournalTest
{
    protected static readonly AssignmentId Assignment = new(5);

    protected static readonly SchedulerEpoch Seven = new(7);
    protected static readonly GroupId Group = new(1);

    protected DecoderJournalTest() => Journal.Follow(Seven);

    protected DecoderJournal Journal { get; } = new();

    protected List<Sequence> Underway { get; } = [];

    protected static GroupRequest Request(int maxTokens, int samples = 1) => Groups.Of(
        Group.Value, 4, [.. Enumerable.Repeat(maxTokens, samples)]) with
    { Id = Group };

    protected Sequence Assign(int sample, SampleStart? start = null, int maxTokens = 1000)
    {
        start ??= SampleStart.New(sample);
        Assert.False(Journal.Assign(Group, start, Assignment));
        var sequence = new Sequence(Request(maxTokens, sample + 1), start, key: 0, arrival: 0);
        Underway.Add(sequence);
        return sequence;
    }

    protected static void Sample(Sequence sequence, params int[] tokens)
    {
        foreach (var token in tokens)
            sequence.Append(token, -token, default);
    }

    protected void Finish(Sequence sequence, params int[] tokens)
    {
        Sample(sequence, tokens);
        End(sequence);
    }

    protected void End(Sequence sequence)
    {
        Underway.Remove(sequence);
        Journal.Finish(Group, sequence.ToCompletion() with { Reason = FinishReason.Length });
    }

    protected void HandBack(Sequence sequence)
    {
        Underway.Remove(sequence);
        Journal.HandBack(Group, sequence.ToStart());
    }

    protected DecoderReport? Report(bool everything) => Journal.Report(
        new DecoderId(new HostId("here:1", 1), "cpu"), 1, default, everything ? Underway : null, default);

    protected DecoderReport Reported() => Assert.IsType<DecoderReport>(Report(everything: true));

    protected DecoderReport Reported(Sequence sequence, params int[] tokens)
    {
        Sample(sequence, tokens);
        return Reported();
    }

    protected void Taken(DecoderReport report) => Journal.Acknowledge(report.Epoch, report.Number);
}
