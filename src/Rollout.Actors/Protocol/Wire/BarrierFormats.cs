namespace Rollout.Actors.Protocol.Wire;

/// <summary>What decoders and the step barrier say to each other, and a decoder's counts.</summary>
internal static class BarrierFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<QueryDecoderStats>(
            "query-decoder-stats:1",
            static (ref writer, query) => writer.Bool(query.Reset),
            static (ref reader) => new QueryDecoderStats(reader.Bool())),
        new WireFormat<DecoderStats>("decoder-stats:1", WriteStats, ReadStats),
    ];

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
