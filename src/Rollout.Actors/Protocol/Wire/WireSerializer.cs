using System.Buffers;
using System.Collections.Frozen;
using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Serialization;
using MessagePack;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// Akka's serializer of all the product's messages that cross hosts. It knows the fixed formats of <see cref="WireFormats"/> and
/// never builds a type because a peer named it. Unknown, damaged and too long messages are a
/// <see cref="SerializationException"/>, which Akka logs and drops.
/// </summary>
public sealed class WireSerializer : SerializerWithStringManifest
{
    private static readonly FrozenDictionary<Type, WireFormat> ByType =
        WireFormats.All.ToFrozenDictionary(format => format.Type);

    private static readonly FrozenDictionary<string, WireFormat> ByManifest =
        WireFormats.All.ToFrozenDictionary(format => format.Manifest);

    public WireSerializer(ExtendedActorSystem system)
        : base(system)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("arrays are sent as their bytes, which are little-endian");
    }

    /// <summary>The serializer's number, which is the same on every member.</summary>
    public override int Identifier => 7301;

    public override string Manifest(object o) => FormatOf(o).Manifest;

    public override byte[] ToBinary(object obj)
    {
        var buffer = new ArrayBufferWriter<byte>();
        var writer = new WireWriter(buffer);
        FormatOf(obj).Write(ref writer, obj);
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!ByManifest.TryGetValue(manifest, out var format))
            throw new SerializationException($"a message of the unknown kind '{Shown(manifest)}' was refused");
        try
        {
            var reader = new WireReader(bytes, system);
            var message = format.Read(ref reader);
            reader.End();
            return message;
        }
        catch (Exception fault) when (IsOfContent(fault))
        {
            throw new SerializationException($"a damaged '{manifest}' was refused: {fault.Message}", fault);
        }
    }

    /// <summary>True for faults that damaged bytes cause, false for faults of this program.</summary>
    private static bool IsOfContent(Exception fault) => fault is SerializationException
        or MessagePackSerializationException or EndOfStreamException or OverflowException or DecoderFallbackException
        or ArgumentException or FormatException or InvalidDataException;

    private static WireFormat FormatOf(object message) =>
        ByType.TryGetValue(message.GetType(), out var format)
            ? format
            : throw new SerializationException($"no wire format is known for {message.GetType()}");

    /// <summary>Cuts a stranger's text to one short line.</summary>
    private static string Shown(string manifest) =>
        string.Concat(manifest.Take(40).Select(letter => char.IsControl(letter) ? '?' : letter));
}
