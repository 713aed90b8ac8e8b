using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>
/// Reads TensorBoard's event files by the formats' definitions and shares no code with the writer: framing with bitwise
/// checksums, and protocol buffers as field numbers with raw values.
/// </summary>
internal static class EventFileReader
{
    /// <summary>A message: the values of each field, in order. Numbers are raw bits, the rest are bytes.</summary>
    internal sealed class Message
    {
        private readonly List<(int Field, ulong Number, byte[] Bytes)> _fields = [];

        public Message(byte[] bytes)
        {
            for (var at = 0; at < bytes.Length;)
            {
                var tag = Varint(bytes, ref at);
                var field = (int)(tag >> 3);
                switch (tag & 7)
                {
                    case 0:
                        _fields.Add((field, Varint(bytes, ref at), []));
                        break;
                    case 1:
                        _fields.Add((field, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at)), []));
                        at += 8;
                        break;
                    case 2:
                        var length = (int)Varint(bytes, ref at);
                        _fields.Add((field, 0, bytes[at..(at + length)]));
                        at += length;
                        break;
                    case 5:
                        _fields.Add((field, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)), []));
                        at += 4;
                        break;
                    default:
                        Assert.Fail($"wire type {tag & 7} of field {field}");
                        break;
                }
            }
        }

        public bool Has(int field) => _fields.Any(one => one.Field == field);

        public long Whole(int field) => (long)One(field).Number;

        public double Double(int field) => BitConverter.UInt64BitsToDouble(One(field).Number);

        public float Single(int field) => BitConverter.UInt32BitsToSingle((uint)One(field).Number);

        public string Text(int field) => Encoding.UTF8.GetString(One(field).Bytes);

        public Message Of(int field) => new(One(field).Bytes);

        public Message[] All(int field) => [.. _fields.Where(one => one.Field == field).Select(one => new Message(one.Bytes))];

        public double[] Doubles(int field) =>
            [.. One(field).Bytes.Chunk(8).Select(bytes => BinaryPrimitives.ReadDoubleLittleEndian(bytes))];

        private (int Field, ulong Number, byte[] Bytes) One(int field) => Assert.Single(_fields, one => one.Field == field);

        private static ulong Varint(byte[] bytes, ref int at)
        {
            for (var (value, shift) = (0UL, 0); ; shift += 7)
            {
                value |= (ulong)(bytes[at] & 0x7f) << shift;
                if (bytes[at++] < 0x80)
                    return value;
            }
        }
    }

    /// <summary>The events of a file, each record's two checksums verified.</summary>
    public static Message[] Read(string path)
    {
        var file = File.ReadAllBytes(path);
        var events = new List<Message>();
        for (var at = 0; at < file.Length;)
        {
            var length = (int)BinaryPrimitives.ReadInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(Masked(file[at..(at + 8)]), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            var data = file[(at + 12)..(at + 12 + length)];
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            events.Add(new Message(data));
            at += 16 + length;
        }
        return [.. events];
    }

    /// <summary>
    /// A tag's scalars by step as TensorBoard shows them: files in the order of their names, and each start of a session
    /// but the first drops the steps from its own on (plugin_event_accumulator.py).
    /// </summary>
    public static SortedDictionary<long, float> Scalars(string folder, string tag)
    {
        var shown = new SortedDictionary<long, float>();
        var starts = 0;
        foreach (var one in Directory.GetFiles(folder, "*tfevents*").Order(StringComparer.Ordinal).SelectMany(Read))
        {
            var step = one.Has(2) ? one.Whole(2) : 0;
            if (one.Has(7) && one.Of(7).Whole(1) == 1 && starts++ > 0)
            {
                foreach (var again in shown.Keys.Where(earlier => earlier >= step).ToArray())
                    shown.Remove(again);
            }
            foreach (var value in one.Has(5) ? one.Of(5).All(1).Where(value => value.Text(1) == tag && value.Has(2)) : [])
                shown.Add(step, value.Single(2));
        }
        return shown;
    }

    /// <summary>CRC-32C of RFC 3720, bit by bit.</summary>
    public static uint Checksum(byte[] data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
        }
        return ~crc;
    }

    private static uint Masked(byte[] data)
    {
        var crc = Checksum(data);
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }
}
