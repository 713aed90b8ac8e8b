using Rollout.Gpu.Contracts;
using static Rollout.Actors.Protocol.Wire.WireFields;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>The formats of messages from decoders to the scheduler.</summary>
internal static class DecoderFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<DecoderHere>(
            "decoder-here:3",
            static (ref writer, here) =>
            {
                WriteDecoder(ref writer, here.Id);
                writer.Whole(here.Incarnation);
                writer.Actor(here.Decoder);
                writer.Whole(here.Capacity.MaxNumSeqs);
                writer.Whole(here.Capacity.Blocks);
                writer.Whole(here.Capacity.BlockSize);
                writer.Whole(here.Capacity.MaxModelLength);
                writer.Whole(here.Capacity.VocabularySize);
                WritePolicy(ref writer, here.Policy);
                writer.Text(here.Fingerprint);
                WriteEpoch(ref writer, here.Seen);
                writer.Whole(here.CommandsTaken);
                writer.Whole(here.HeldSamples);
                writer.Bool(here.Leaving);
            },
            static (ref reader) => new DecoderHere(
                ReadDecoder(ref reader),
                reader.Whole(),
                reader.Actor(),
                new DecoderCapacity(
                    reader.Whole(), reader.Whole(), reader.Whole(), reader.Whole(), reader.Whole()),
                ReadPolicy(ref reader),
                reader.Text(),
                ReadEpoch(ref reader),
                reader.Whole64(),
                reader.Whole(),
                reader.Bool())),
        new WireFormat<DecoderReport>(
            "decoder-report:4",
            static (ref writer, report) =>
            {
                WriteDecoder(ref writer, report.Decoder);
                writer.Whole(report.Incarnation);
                WriteEpoch(ref writer, report.Epoch);
                writer.Whole(report.Number);
                writer.Whole(report.CommandsTaken);
                WritePolicy(ref writer, report.Policy);
                WriteEach(ref writer, report.Samples, WriteProgress);
                WriteEach(ref writer, report.Rejected, WriteRejection);
                writer.Whole(report.Load.Running);
                writer.Whole(report.Load.Waiting);
                writer.Whole(report.Load.AvailableBlocks);
                writer.Bool(report.More);
            },
            static (ref reader) => new DecoderReport(
                ReadDecoder(ref reader),
                reader.Whole(),
                ReadEpoch(ref reader),
                reader.Whole64(),
                reader.Whole64(),
                ReadPolicy(ref reader),
                ReadEach(ref reader, ReadProgress),
                ReadEach(ref reader, ReadRejection),
                new DeviceLoad(reader.Whole(), reader.Whole(), reader.Whole()),
                reader.Bool())),
        new WireFormat<DecoderLost>(
            "decoder-lost:2",
            static (ref writer, lost) =>
            {
                WriteDecoder(ref writer, lost.Id);
                writer.Whole(lost.Incarnation);
                writer.Text(lost.Reason);
                writer.Bool(lost.ComesBack);
                writer.Whole(lost.DecodersOfHost);
            },
            static (ref reader) => new DecoderLost(
                ReadDecoder(ref reader), reader.Whole(), reader.Text(), reader.Bool(), reader.Whole())),
    ];

    private static void WriteProgress(ref WireWriter writer, SampleProgress progress)
    {
        WriteGroup(ref writer, progress.Group);
        writer.Whole(progress.Sample);
        writer.Whole(progress.Assignment.Value);
        writer.Whole(progress.Start);
        WriteSampled(ref writer, progress.Sampled);
        writer.Bool(progress.Finished is not null);
        if (progress.Finished is { } reason)
            writer.Whole((int)reason);
        writer.Bool(progress.HandedBack);
    }

    private static SampleProgress ReadProgress(ref WireReader reader) => new(
        ReadGroup(ref reader),
        reader.Whole(),
        new AssignmentId(reader.Whole()),
        reader.Whole(),
        ReadSampled(ref reader),
        reader.Bool() ? ReadChoice<FinishReason>(ref reader) : null,
        reader.Bool());

    private static void WriteRejection(ref WireWriter writer, GroupRejection rejection)
    {
        WriteGroup(ref writer, rejection.Group);
        writer.Whole(rejection.Assignment.Value);
        writer.Text(rejection.Reason);
    }

    private static GroupRejection ReadRejection(ref WireReader reader) =>
        new(ReadGroup(ref reader), new AssignmentId(reader.Whole()), reader.Text());
}
