using static Rollout.Actors.Protocol.Wire.WireFields;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>The formats of messages from the scheduler to decoders.</summary>
internal static class CommandFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<SchedulerHere>(
            "scheduler-here:1",
            static (ref writer, here) =>
            {
                WriteEpoch(ref writer, here.Epoch);
                writer.Whole(here.ReportEvery.Ticks);
            },
            static (ref reader) => new SchedulerHere(ReadEpoch(ref reader), TimeSpan.FromTicks(reader.Whole64()))),
        new WireFormat<AssignSamples>(
            "assign-samples:4",
            static (ref writer, assign) =>
            {
                WriteEpoch(ref writer, assign.Epoch);
                writer.Whole(assign.Number);
                writer.Whole(assign.Assignment.Value);
                WriteRequest(ref writer, assign.Group);
                WriteEach(ref writer, assign.Samples, WriteStart);
                WriteOptionalPolicy(ref writer, assign.RequiredPolicy);
            },
            static (ref reader) => new AssignSamples(
                ReadEpoch(ref reader), reader.Whole64(), new AssignmentId(reader.Whole()), ReadRequest(ref reader),
                ReadEach(ref reader, ReadStart), ReadOptionalPolicy(ref reader))),
        new WireFormat<RecallSamples>(
            "recall-samples:1",
            static (ref writer, recall) =>
            {
                WriteEpoch(ref writer, recall.Epoch);
                writer.Whole(recall.Number);
                WriteGroup(ref writer, recall.Id);
                writer.Wholes(recall.Samples);
                writer.Bool(recall.RunningToo);
            },
            static (ref reader) => new RecallSamples(
                ReadEpoch(ref reader), reader.Whole64(), ReadGroup(ref reader), reader.Wholes(), reader.Bool())),
        new WireFormat<ForgetGroups>(
            "forget-groups:1",
            static (ref writer, forget) =>
            {
                WriteEpoch(ref writer, forget.Epoch);
                writer.Whole(forget.Number);
                WriteEach(ref writer, forget.Groups, WriteGroup);
            },
            static (ref reader) =>
                new ForgetGroups(ReadEpoch(ref reader), reader.Whole64(), ReadEach(ref reader, ReadGroup))),
        new WireFormat<ReportTaken>(
            "report-taken:1",
            static (ref writer, taken) =>
            {
                WriteEpoch(ref writer, taken.Epoch);
                writer.Whole(taken.Number);
            },
            static (ref reader) => new ReportTaken(ReadEpoch(ref reader), reader.Whole64())),
        new WireFormat<DecoderRefused>(
            "decoder-refused:2",
            static (ref writer, refused) =>
            {
                WriteEpoch(ref writer, refused.Epoch);
                WriteDecoder(ref writer, refused.Id);
                writer.Text(refused.Reason);
            },
            static (ref reader) => new DecoderRefused(ReadEpoch(ref reader), ReadDecoder(ref reader), reader.Text())),
    ];
}
