using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using static Rollout.Actors.Protocol.Wire.WireFields;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>The formats of messages between decoders and the step barrier, and of statistics.</summary>
internal static class BarrierFormats
{
    private const int TokenBytes = 32;

    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<QueryDecoderStats>(
            "query-decoder-stats:1",
            static (ref writer, query) => writer.Bool(query.Reset),
            static (ref reader) => new QueryDecoderStats(reader.Bool())),
        new WireFormat<DecoderStats>("decoder-stats:1", WriteStats, ReadStats),
        new WireFormat<QueryLedger>("query-ledger:1", static (ref _, _) => { }, static (ref _) => new QueryLedger()),
        new WireFormat<LedgerReport>(
            "ledger-report:1",
            static (ref writer, report) =>
            {
                writer.Whole(report.Usage.Total);
                writer.Whole(report.Usage.Free);
                writer.Whole(report.Usage.Cached);
                writer.Whole(report.Usage.InUse);
                writer.Whole(report.Usage.Logical);
                writer.Whole(report.Sequences);
                writer.OptionalText(report.Imbalance);
            },
            static (ref reader) => new LedgerReport(
                new PoolUsage(reader.Whole(), reader.Whole(), reader.Whole(), reader.Whole(), reader.Whole()),
                reader.Whole(),
                reader.OptionalText())),
        new WireFormat<JoinBarrier>("join-barrier:1", WriteJoin, ReadJoin),
        new WireFormat<LeaveBarrier>(
            "leave-barrier:1",
            static (ref writer, leave) =>
            {
                WriteDecoder(ref writer, leave.Id);
                writer.Whole(leave.Incarnation);
            },
            static (ref reader) => new LeaveBarrier(ReadDecoder(ref reader), reader.Whole())),
        new WireFormat<UpdateWeights>("update-weights:1", WriteUpdate, ReadUpdate),
        new WireFormat<WeightsUpdated>(
            "weights-updated:1",
            static (ref writer, updated) =>
            {
                WriteDecoder(ref writer, updated.Id);
                WritePolicy(ref writer, updated.Policy);
                WriteStats(ref writer, updated.Stats);
            },
            static (ref reader) =>
                new WeightsUpdated(ReadDecoder(ref reader), ReadPolicy(ref reader), ReadStats(ref reader))),
        new WireFormat<WeightsNotTaken>(
            "weights-not-taken:1",
            static (ref writer, failed) =>
            {
                WriteDecoder(ref writer, failed.Id);
                writer.Whole(failed.Incarnation);
                WritePolicy(ref writer, failed.Policy);
                writer.Text(failed.Reason);
            },
            static (ref reader) => new WeightsNotTaken(
                ReadDecoder(ref reader), reader.Whole(), ReadPolicy(ref reader), reader.Text())),
    ];

    private static void WriteJoin(ref WireWriter writer, JoinBarrier join)
    {
        WriteDecoder(ref writer, join.Id);
        writer.Whole(join.Incarnation);
        writer.Actor(join.Decoder);
        writer.Bool(join.SharesWeights);
        WriteOptionalPolicy(ref writer, join.Holds);
    }

    private static JoinBarrier ReadJoin(ref WireReader reader)
    {
        var (id, incarnation, decoder, shares) =
            (ReadDecoder(ref reader), reader.Whole(), reader.Actor(), reader.Bool());
        return new JoinBarrier(id, incarnation, decoder, shares, ReadOptionalPolicy(ref reader));
    }

    private static void WriteUpdate(ref WireWriter writer, UpdateWeights update)
    {
        WriteHost(ref writer, update.Trainer);
        WritePolicy(ref writer, update.Policy);
        writer.Bool(update.Offer is not null);
        if (update.Offer is not { } offer)
            return;
        WritePolicy(ref writer, offer.Policy);
        writer.Text(offer.Host);
        writer.Whole(offer.Port);
        writer.Bytes(offer.Token);
        writer.Whole(offer.Bytes);
        writer.Whole(offer.Checksum);
    }

    private static UpdateWeights ReadUpdate(ref WireReader reader)
    {
        var (trainer, policy) = (ReadHost(ref reader), ReadPolicy(ref reader));
        return new UpdateWeights(
            trainer,
            policy,
            reader.Bool()
                ? new WeightOffer(
                    ReadPolicy(ref reader), reader.Text(), reader.Whole(), reader.Bytes(TokenBytes),
                    reader.Whole64(), reader.Unsigned64())
                : null);
    }

    private static void WriteStats(ref WireWriter writer, DecoderStats stats)
    {
        writer.Whole(stats.Steps);
        writer.Whole(stats.PrefillTokens);
        writer.Whole(stats.NewTokens);
        writer.Number(stats.BusySeconds);
        writer.Number(stats.ForwardSeconds);
        writer.Number(stats.SamplingSeconds);
        writer.Number(stats.PrefillSeconds);
        writer.Whole(stats.BlocksTotal);
        writer.Whole(stats.BlocksInUsePeak);
        writer.Whole(stats.LogicalBlocksPeak);
        writer.Whole(stats.Preemptions);
        writer.Whole(stats.StepFailures);
    }

    private static DecoderStats ReadStats(ref WireReader reader) => new()
    {
        Steps = reader.Whole(),
        PrefillTokens = reader.Whole64(),
        NewTokens = reader.Whole64(),
        BusySeconds = reader.Number64(),
        ForwardSeconds = reader.Number64(),
        SamplingSeconds = reader.Number64(),
        PrefillSeconds = reader.Number64(),
        BlocksTotal = reader.Whole(),
        BlocksInUsePeak = reader.Whole(),
        LogicalBlocksPeak = reader.Whole(),
        Preemptions = reader.Whole(),
        StepFailures = reader.Whole(),
    };
}
