using static Rollout.Actors.Protocol.Wire.WireFields;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>The formats of what schedulers tell each other about broken links.</summary>
internal static class DowningFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
    [
        new WireFormat<LinkReport>(
            "link-report:1",
            static (ref writer, report) => WriteEach(ref writer, report.Rows, WriteRow),
            static (ref reader) => new LinkReport(ReadEach(ref reader, ReadRow))),
    ];

    private static void WriteRow(ref WireWriter writer, LinkRow row)
    {
        WriteHost(ref writer, row.Observer);
        writer.Whole(row.Number);
        WriteEach(ref writer, row.Unreachable, WriteHost);
    }

    private static LinkRow ReadRow(ref WireReader reader) =>
        new(ReadHost(ref reader), reader.Whole64(), ReadEach(ref reader, ReadHost));
}
