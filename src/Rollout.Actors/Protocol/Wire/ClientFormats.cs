using static Rollout.Actors.Protocol.Wire.WireFields;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>The formats of messages between clients and the scheduler.</summary>
internal static class ClientFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<SubmitGroup>(
            "submit-group:4",
            static (ref writer, submit) =>
            {
                WriteRequest(ref writer, submit.Group);
                WriteOptionalPolicy(ref writer, submit.RequiredPolicy);
                WriteEpoch(ref writer, submit.Seen);
                writer.OptionalText(submit.Fingerprint);
            },
            static (ref reader) => new SubmitGroup(
                ReadRequest(ref reader), ReadOptionalPolicy(ref reader), ReadEpoch(ref reader), reader.OptionalText())),
        new WireFormat<CompletionsReady>(
            "completions-ready:3",
            static (ref writer, ready) =>
            {
                WriteEpoch(ref writer, ready.Epoch);
                WriteGroup(ref writer, ready.Id);
                writer.Whole(ready.Samples);
                WriteEach(ref writer, ready.Completions, WriteCompletion);
            },
            static (ref reader) => new CompletionsReady(
                ReadEpoch(ref reader), ReadGroup(ref reader), reader.Whole(), ReadEach(ref reader, ReadCompletion))),
        new WireFormat<SamplesGrew>(
            "samples-grew:1",
            static (ref writer, grew) =>
            {
                WriteEpoch(ref writer, grew.Epoch);
                WriteGroup(ref writer, grew.Id);
                WriteEach(ref writer, grew.Samples, WriteSlice);
            },
            static (ref reader) => new SamplesGrew(ReadEpoch(ref reader), ReadGroup(ref reader), ReadEach(ref reader, ReadSlice))),
        new WireFormat<GroupGivenUp>(
            "group-given-up:1",
            static (ref writer, lost) =>
            {
                WriteEpoch(ref writer, lost.Epoch);
                WriteGroup(ref writer, lost.Id);
                writer.Text(lost.Reason);
            },
            static (ref reader) => new GroupGivenUp(ReadEpoch(ref reader), ReadGroup(ref reader), reader.Text())),
        new WireFormat<NoRoom>(
            "no-room:1",
            static (ref writer, none) =>
            {
                WriteEpoch(ref writer, none.Epoch);
                WriteGroup(ref writer, none.Id);
            },
            static (ref reader) => new NoRoom(ReadEpoch(ref reader), ReadGroup(ref reader))),
        new WireFormat<OfferGroups>(
            "offer-groups:1",
            static (ref writer, offer) =>
            {
                WriteEach(ref writer, offer.Groups, static (ref writer, group) =>
                {
                    WriteGroup(ref writer, group.Id);
                    writer.Whole(group.Samples);
                });
                WriteEpoch(ref writer, offer.Seen);
            },
            static (ref reader) => new OfferGroups(
                ReadEach(ref reader, static (ref reader) => new OfferedGroup(
                    ReadGroup(ref reader), (int)reader.Within(1, WireLimits.MaxCount))),
                ReadEpoch(ref reader))),
        new WireFormat<SendGroups>(
            "send-groups:1",
            static (ref writer, send) =>
            {
                WriteEpoch(ref writer, send.Epoch);
                WriteEach(ref writer, send.Groups, WriteGroup);
            },
            static (ref reader) => new SendGroups(ReadEpoch(ref reader), ReadEach(ref reader, ReadGroup))),
        new WireFormat<GroupsUnderway>(
            "groups-underway:1",
            static (ref writer, underway) =>
            {
                WriteEpoch(ref writer, underway.Epoch);
                WriteEach(ref writer, underway.Groups, static (ref writer, group) =>
                {
                    WriteGroup(ref writer, group.Id);
                    writer.Whole(group.Tokens);
                });
            },
            static (ref reader) => new GroupsUnderway(
                ReadEpoch(ref reader),
                ReadEach(ref reader, static (ref reader) => new GroupProgress(ReadGroup(ref reader), reader.Whole64())))),
        new WireFormat<OutcomesKept>(
            "outcomes-kept:1",
            static (ref writer, kept) =>
            {
                WriteEpoch(ref writer, kept.Epoch);
                WriteEach(ref writer, kept.Groups, WriteGroup);
            },
            static (ref reader) => new OutcomesKept(ReadEpoch(ref reader), ReadEach(ref reader, ReadGroup))),
        new WireFormat<OutcomesTaken>(
            "outcomes-taken:1",
            static (ref writer, taken) => WriteEach(ref writer, taken.Groups, WriteGroup),
            static (ref reader) => new OutcomesTaken(ReadEach(ref reader, ReadGroup))),
        new WireFormat<CancelGroups>(
            "cancel-groups:1",
            static (ref writer, cancel) => WriteEach(ref writer, cancel.Groups, WriteGroup),
            static (ref reader) => new CancelGroups(ReadEach(ref reader, ReadGroup))),
        new WireFormat<QueryScheduler>(
            "query-scheduler:3",
            static (ref _, _) => { },
            static (ref _) => new QueryScheduler()),
        new WireFormat<SchedulerReport>(
            "scheduler-report:1",
            static (ref writer, report) =>
            {
                writer.Whole(report.Decoders);
                writer.Whole(report.Groups);
                WriteEpoch(ref writer, report.Epoch);
                writer.Whole(report.WaitingSequences);
                writer.OptionalText(report.Fingerprint);
                WriteOptionalPolicy(ref writer, report.Policy);
            },
            static (ref reader) => new SchedulerReport(
                reader.Whole(), reader.Whole(), ReadEpoch(ref reader), reader.Whole(), reader.OptionalText(),
                ReadOptionalPolicy(ref reader))),
    ];
}
