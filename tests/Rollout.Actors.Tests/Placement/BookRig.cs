using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Placement;

/// <summary>A scheduler's book, and decoders that are as large as the test says.</summary>
internal sealed class BookRig
{
    public BookRig(int lookahead = 0, double queueDepth = 100)
    {
        var settings = TestSettings.Scheduler with { LookaheadSeqs = lookahead, QueueDepth = queueDepth };
        Book = new GroupBook(Epoch, settings, () => Now);
        Intake = new DecoderIntake(Epoch, Book, (_, reason) => Refused.Add(reason));
        Registry = new DecoderRegistry(Epoch, Book);
    }

    public static SchedulerEpoch Epoch { get; } = new(7);

    public GroupBook Book { get; }

    /// <summary>The book's time.</summary>
    public TimeSpan Now { get; set; }

    public DecoderIntake Intake { get; }

    public DecoderRegistry Registry { get; }

    /// <summary>Why entries of reports were left out.</summary>
    public List<string> Refused { get; } = [];

    public static DecoderId Id(int number, string host = "here:1") => new(new HostId(host, 1), $"cuda:{number}");

    public static DecoderHere Here(
        int number,
        int maxNumSeqs = 4,
        int blocks = 1000,
        int maxModelLength = 1000,
        string model = "tiny",
        int incarnation = 1,
        string? host = null,
        Policy policy = default) => new(
            Id(number, host ?? $"host-{number}:1"), incarnation, null!,
            new DecoderCapacity(maxNumSeqs, blocks, 4, maxModelLength, VocabularySize: 1000), policy, model, Epoch, 0, 0, Leaving: false);

    /// <summary>A decoder that is ready, or null where it is refused.</summary>
    public KnownDecoder? Join(DecoderHere here) => Registry.Register(here, out _);

    /// <summary>Assignments since the last call.</summary>
    public static AssignSamples[] Assigned(KnownDecoder decoder) =>
        [.. decoder.Commands.TakeSendable(default).OfType<AssignSamples>()];

    /// <summary>Samples that a decoder is given since the last call, by group and number.</summary>
    public static (long Group, int Sample)[] Given(KnownDecoder decoder) =>
    [
        .. Assigned(decoder).SelectMany(assign => assign.Samples.Select(start => (assign.Group.Id.Value, start.Sample))),
    ];

    /// <summary>All samples of a group that a decoder has finish there.</summary>
    public void Finish(KnownDecoder decoder, GroupId id)
    {
        var slots = Book.Find(id)!.Slots.Where(slot => slot.Decoder == decoder);
        Report(decoder, [.. slots.Select(slot => new SampleProgress(
            id, slot.Sample, slot.Assignment, slot.Count, new SampledTokens([5], [-1], [new VersionSpan(default, 0)]), FinishReason.Stop))]);
    }

    public void Report(KnownDecoder decoder, SampleProgress[] samples, DeviceLoad? load = null) => Intake.AcceptReport(
        new DecoderReport(
            decoder.Id, decoder.Announcement.Incarnation, Epoch, decoder.LastReport + 1, decoder.Commands.Last, decoder.Announcement.Policy,
            samples, [],
            load ?? new DeviceLoad(0, 0, decoder.Capacity.Blocks), More: false));

    /// <summary>A decoder's device fails.</summary>
    public void Lose(DecoderHere here, bool comesBack) =>
        Registry.Remove(new DecoderLost(here.Id, here.Incarnation, "an illegal memory access", comesBack));

    /// <summary>Why a group failed.</summary>
    public string Failure(GroupId id) => ((GroupFailed)Book.Find(id)!.Outcome!).Reason;
}
