using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Google.Protobuf;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tracking;

/// <summary>
/// The bytes of TensorBoard's event files: TFRecords (tensorflow/core/lib/io/record_writer.h) of Event messages
/// (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto). Numbers in the code are those of the
/// messages' fields.
/// </summary>
internal static class EventFormat
{
    private const int Buckets = 30;

    /// <summary>The first record of a file.</summary>
    public static byte[] FileVersion(DateTimeOffset time) =>
        Event(time, 0, message => message.Bytes(3, "brain.Event:2"u8));

    /// <summary>
    /// Tells that a process starts with a step. At every such record but a run's first, TensorBoard drops what it has read
    /// of this step and later ones.
    /// </summary>
    public static byte[] SessionStart(DateTimeOffset time, int step) =>
        Event(time, step, message => message.Bytes(7, Message(log => log.Whole(1, 1))));

    /// <summary>A step's metrics as scalars, its distributions as histograms, and its texts.</summary>
    public static byte[] Step(DateTimeOffset time, StepRecord step) =>
        Event(time, step.Metrics.Step, message => message.Bytes(5, Message(summary =>
        {
            foreach (var (name, value) in step.Metrics.Values)
                summary.Bytes(1, Value(name, scalar => scalar.Single(2, (float)value)));
            foreach (var (name, values) in step.Histograms)
            {
                if (Histogram(values) is { } histogram)
                    summary.Bytes(1, Value(name, distribution => distribution.Bytes(5, histogram)));
            }
            foreach (var (name, counts) in step.Counts)
                summary.Bytes(1, Value(name, distribution => distribution.Bytes(5, Histogram(counts))));
            foreach (var (name, text) in step.Texts)
                summary.Bytes(1, Value(name, tensor => Text(tensor, text)));
        })));

    private static byte[] Event(DateTimeOffset time, int step, Action<CodedOutputStream> what) => Record(Message(message =>
    {
        message.Double(1, time.ToUnixTimeMilliseconds() / 1000.0);
        message.Whole(2, step);
        what(message);
    }));

    private static byte[] Value(string tag, Action<CodedOutputStream> what) => Message(value =>
    {
        value.Bytes(1, Encoding.UTF8.GetBytes(tag));
        what(value);
    });

    /// <summary>A tensor of one string that belongs to the text plugin.</summary>
    private static void Text(CodedOutputStream value, string text)
    {
        const int stringType = 7;
        value.Bytes(8, Message(tensor =>
        {
            tensor.Whole(1, stringType);
            tensor.Bytes(2, Message(shape => shape.Bytes(2, Message(dimension => dimension.Whole(1, 1)))));
            tensor.Bytes(8, Encoding.UTF8.GetBytes(text));
        }));
        value.Bytes(9, Message(metadata => metadata.Bytes(1, Message(plugin => plugin.Bytes(1, "text"u8)))));
    }

    /// <summary>Counts in buckets of equal width; null where no value is finite.</summary>
    private static byte[]? Histogram(double[] values)
    {
        double[] finite = [.. values.Where(double.IsFinite)];
        if (finite.Length == 0)
            return null;
        var (least, most) = (finite.Min(), finite.Max());
        var counts = new double[most > least ? Buckets : 1];
        foreach (var value in finite)
            counts[most > least ? Math.Min(Buckets - 1, (int)((value - least) / (most - least) * Buckets)) : 0]++;
        return Message(histogram =>
        {
            histogram.Double(1, least);
            histogram.Double(2, most);
            histogram.Double(3, finite.Length);
            histogram.Double(4, finite.Sum());
            histogram.Double(5, finite.Sum(value => value * value));
            histogram.Doubles(6, counts.Select((_, i) => least + ((most - least) * (i + 1) / counts.Length)));
            histogram.Doubles(7, counts);
        });
    }

    /// <summary>Without the sum of squares, which TensorBoard does not read.</summary>
    private static byte[] Histogram(BucketCounts counts) => Message(histogram =>
    {
        histogram.Double(1, counts.Least);
        histogram.Double(2, counts.Most);
        histogram.Double(3, counts.Counts.Sum());
        histogram.Double(4, counts.Sum);
        histogram.Doubles(6, counts.Limits);
        histogram.Doubles(7, counts.Counts);
    });

    /// <summary>Length, checksum of the length, data, checksum of the data.</summary>
    private static byte[] Record(byte[] data)
    {
        var record = new byte[8 + 4 + data.Length + 4];
        BinaryPrimitives.WriteInt64LittleEndian(record, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedChecksum(record.AsSpan(0, 8)));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), MaskedChecksum(data));
        return record;
    }

    /// <summary>CRC-32C, rotated and shifted, so that the checksum of data with checksums stays a good one.</summary>
    private static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
            crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8;
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var message = new CodedOutputStream(bytes, leaveOpen: true))
            write(message);
        return bytes.ToArray();
    }

    private static void Whole(this CodedOutputStream message, int field, long value)
    {
        message.WriteTag(field, WireFormat.WireType.Varint);
        message.WriteInt64(value);
    }

    private static void Single(this CodedOutputStream message, int field, float value)
    {
        message.WriteTag(field, WireFormat.WireType.Fixed32);
        message.WriteFloat(value);
    }

    private static void Double(this CodedOutputStream message, int field, double value)
    {
        message.WriteTag(field, WireFormat.WireType.Fixed64);
        message.WriteDouble(value);
    }

    private static void Doubles(this CodedOutputStream message, int field, IEnumerable<double> values) =>
        message.Bytes(field, Message(packed =>
        {
            foreach (var value in values)
                packed.WriteDouble(value);
        }));

    private static void Bytes(this CodedOutputStream message, int field, ReadOnlySpan<byte> value)
    {
        message.WriteTag(field, WireFormat.WireType.LengthDelimited);
        message.WriteBytes(ByteString.CopyFrom(value));
    }
}
